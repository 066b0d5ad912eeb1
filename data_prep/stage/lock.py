"""Locks on folders, and on shards of them, that end with the process that holds them, however that ends."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterable, Iterator

from data_prep.stage import files


@contextlib.contextmanager
def locked(path: str, refusal: str) -> Iterator[None]:
    """Holds the lock of a file, which is made if need be, while the block runs.

    What killed processes left unfinished in its folder is cleared first.

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
        files.clear_temporaries(os.path.dirname(os.path.abspath(path)))
        yield


@contextlib.contextmanager
def alone_in(directory: str, name: str = "output_dir", done: str = "written into") -> Iterator[None]:
    """Keeps other processes out of a folder, which is made if absent, while the block runs.

    Args:
        directory: the folder.
        name: of the setting that names it, for the message.
        done: what is done with it, for the message.

    Raises:
        OSError: if another process is at work there.
    """
    os.makedirs(directory, exist_ok=True)
    with locked(os.path.join(directory, ".lock"), f"`{name}` must be {done} by one process at a time. "
                f"Received: {directory!r}, where another one is at work."):
        yield


@contextlib.contextmanager
def alone_at(paths: Iterable[str], name: str = "output_dir") -> Iterator[None]:
    """Keeps other processes from files of a folder while the block runs; they may write others there.

    The lock is one of POSIX: a process loses it when it closes any other handle on `.shards.lock`.

    Args:
        paths: of the files, in one folder, which exists.
        name: of the setting that names the folder, for the message.

    Raises:
        OSError: if another process is writing one of them.
    """
    with contextlib.ExitStack() as stack:
        lock_file = None
        for path in paths:
            directory, file_name = os.path.split(os.path.abspath(path))
            if lock_file is None:
                files.clear_temporaries(directory)
                lock_file = stack.enter_context(open(os.path.join(directory, ".shards.lock"), "a"))
            place = int.from_bytes(hashlib.sha256(file_name.encode()).digest()[:7], "big")
            try:
                fcntl.lockf(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
            except (BlockingIOError, PermissionError):
                raise OSError(f"A shard of `{name}` must be written by one process at a time. "
                              f"Received: {path!r}, at which another one is at work.") from None
        yield
