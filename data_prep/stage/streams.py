"""Streams of items on their way from files to a model: mapped by a few threads, put together by size."""

from __future__ import annotations

import collections
import os
from collections.abc import Callable, Hashable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

_NUM_THREADS = min(4, os.cpu_count() or 1)  # chosen: decoding and small scales fill each other's gaps
_WAITING_BATCHES = 4  # that may pass an item while it waits for others of its size; chosen


def same_sized(items: Iterable[Any], size: Callable[[Any], tuple[Hashable, int]]) -> Iterator[list[Any]]:
    """Puts items of equal size together.

    An item waits until its batch is full, or until four times as many items as fill it have come since its
    first; then it goes as it is. So an item of a rare size holds up no more of those behind it.

    Args:
        items: of any kind.
        size: gives what must be equal within a batch, and how many items fill it.
    """
    waiting: dict[Hashable, list[Any]] = {}  # in the order of their first items
    first: dict[Hashable, int] = {}  # the number of each batch's first item
    for number, item in enumerate(items):
        key, full = size(item)
        first.setdefault(key, number)
        waiting.setdefault(key, []).append(item)
        if len(waiting[key]) >= full:
            del first[key]
            yield waiting.pop(key)
        while waiting:
            oldest = next(iter(waiting))
            if number - first[oldest] < _WAITING_BATCHES * size(waiting[oldest][0])[1]:
                break
            del first[oldest]
            yield waiting.pop(oldest)
    yield from waiting.values()


def mapped_in_order(function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
    """`map` over a few threads that never runs far ahead of its reader."""
    pool = ThreadPoolExecutor(_NUM_THREADS)
    pending: collections.deque = collections.deque()
    try:
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) > 2 * _NUM_THREADS:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
