"""Processes that work for this one, and end when it ends, however that comes about."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent import futures
from typing import Any

from data_prep.stage import allocator


def process_pool(num_workers: int, start: Callable[..., None] | None = None,
                 *arguments: Any) -> futures.ProcessPoolExecutor:
    """A pool of new processes; Ctrl-C and SIGTERM are left to this one, with which they end.

    Args:
        num_workers: processes.
        start: called with `arguments` in each process before it works; both can be pickled.
    """
    context = multiprocessing.get_context("spawn")  # a fork would inherit the locks of TensorFlow's threads
    return futures.ProcessPoolExecutor(num_workers, context, _begin, (start, arguments))


def _begin(start: Callable[..., None] | None, arguments: tuple[Any, ...]) -> None:
    for left_to_parent in (signal.SIGINT, signal.SIGTERM):  # they often come to a whole group of processes
        signal.signal(left_to_parent, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    allocator.keep_freed_memory()
    if start is not None:
        start(*arguments)


def _end_with_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)  # killed, the parent could not tell
