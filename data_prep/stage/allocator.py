"""What the C library does with memory that is freed."""

from __future__ import annotations

import ctypes

# Options of mallopt(3) and their values: malloc.h of glibc. Its tables hold an int each, so 2 GB is the most.
_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8
_KEEP = ((_ARENA_MAX, 1), (_MMAP_MAX, 0), (_TRIM_THRESHOLD, 2**31 - 1))


def keep_freed_memory() -> bool:
    """Has the process keep the memory that it frees, for what it allocates next.

    By itself glibc takes large blocks from the system and gives them back at once. A training does so for
    every tensor of every step, and the system hands each page out anew, zeroed: more than a quarter of the
    processors' time (docs/decisions/0093). The process holds no more at most; it holds it longer.

    Call it before the first thread is made: threads that have an area of memory of their own keep it.

    Returns:
        Whether it took effect. It does not where the C library is another than glibc.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and sum(mallopt(option, value) for option, value in _KEEP) == len(_KEEP)


def give_back_freed_memory() -> bool:
    """Gives the system all memory that is free now, kept or not.

    Returns:
        Whether the C library knows how; others than glibc do not.
    """
    malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if malloc_trim is not None:
        malloc_trim(0)
    return malloc_trim is not None
