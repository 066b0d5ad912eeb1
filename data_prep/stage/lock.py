"""A lock on a folder that ends with the process that holds it, however that ends."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator


@contextlib.contextmanager
def locked(path: str, refusal: str) -> Iterator[None]:
    """Holds the lock of a file, which is made if need be, while the block runs.

    Args:
        path: of the file.
        refusal: the error's message when another process holds it.

    Raises:
        OSError: if another process holds the lock, or the file cannot be written.
    """
    with open(path, "w", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OSError(refusal) from None
        yield
