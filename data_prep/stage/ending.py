"""How a script ends that is told to: by SIGTERM as by Ctrl-C, and within seconds whatever it is at."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any, NoReturn

STATUS = 128 + signal.SIGTERM
_SECONDS = 7.0  # given to the process to clean up; chosen below the ten that most managers of jobs wait


class Terminated(KeyboardInterrupt):
    """SIGTERM came. What cleans up after Ctrl-C cleans up after it."""


@contextlib.contextmanager
def by_sigterm() -> Iterator[None]:
    """In the block SIGTERM raises `Terminated` in the main thread, and some seconds later ends the process.

    The main thread may be in a library that does not return, or what it cleans up may take long. A second
    thread hears of the signal by itself.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    sys.warnoptions.append("ignore:resource_tracker")  # of multiprocessing: it clears up, and tells of it
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    handler = signal.signal(signal.SIGTERM, _raise_terminated)
    wakeup = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    watcher = threading.Thread(target=_watch, args=(reader,), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(wakeup)
        signal.signal(signal.SIGTERM, handler)
        os.close(writer)
        watcher.join()
        os.close(reader)


def keep() -> None:
    """Takes SIGTERM back from a library that has set a handler below Python, as TensorFlow's clusters do."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGTERM))


@contextlib.contextmanager
def at_once_by_ctrl_c() -> Iterator[None]:
    """In the block, where a library lets nothing of Python run, Ctrl-C ends the process without a word."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


def _raise_terminated(*_: Any) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not break off what the first began
    logging.getLogger("tensorflow").setLevel(logging.CRITICAL)  # its replicas log what ends them as a fault
    raise Terminated


def _watch(reader: int) -> None:
    while signals := os.read(reader, 1):
        if signal.SIGTERM in signals:
            time.sleep(_SECONDS)
            os._exit(STATUS)
