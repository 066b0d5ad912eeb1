"""Files that appear under their name only when they are whole, room for them, JSON, the SHA-256 of a file."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from typing import Any

_BLOCK = 1 << 22  # bytes read at a time
_DISK_RESERVE = 64 << 20  # bytes left free


@contextlib.contextmanager
def replacing(path: str) -> Iterator[str]:
    """Gives a temporary path in the folder of `path`; renames it to `path` when the block ends well.

    After an error or Ctrl-C in the block the temporary file is gone and `path` is as it was. The temporary
    name starts with a dot, so no shard pattern matches it.
    """
    directory, name = os.path.split(os.path.abspath(path))
    temporary = os.path.join(directory, f".{name}.{os.getpid()}.tmp")
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.remove(temporary)
        raise


@contextlib.contextmanager
def replacing_folder(path: str) -> Iterator[str]:
    """Gives a path beside `path`, for a folder to make; renames it to `path` when the block ends well.

    After an error or Ctrl-C in the block the temporary folder is gone.

    Args:
        path: folder; must be empty or not exist. The folder it is in is made.
    """
    path = os.path.abspath(path)
    temporary = f"{path}.{os.getpid()}.tmp"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_json(path: str, value: Any) -> None:
    """Writes `value` as JSON, one key of the outermost object a line, whole or not at all.

    File names that are not UTF-8 keep the escapes by which Python knows them, in a form that JSON reads back.
    """
    with replacing(path) as temporary, open(temporary, "w", encoding="utf-8",
                                            errors="backslashreplace") as file:
        if isinstance(value, dict):
            lines = (f"{json.dumps(key)}: {json.dumps(entry, ensure_ascii=False)}"
                     for key, entry in value.items())
            file.write("{\n" + ",\n".join(lines) + "\n}\n")
        else:
            json.dump(value, file, ensure_ascii=False)


def read_json(path: str, name: str = "") -> Any:
    """What a JSON file holds.

    Args:
        path: of the file.
        name: what the message calls it, such as "`scores`"; by default its path.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not JSON.
    """
    with open(path, encoding="utf-8") as file:
        try:
            return json.load(file)
        except (ValueError, RecursionError) as error:  # of bytes, of text, of a nest without end
            raise ValueError(f"{name or path} must be JSON. Received: {path}: {error}.") from error


def check_room(directory: str, needed: int, purpose: str) -> None:
    """Refuses to write more than the disk of a folder has room for, with 64 MiB to spare.

    Args:
        directory: on that disk.
        needed: bytes that will be written; with 0 there is nothing to refuse.
        purpose: what they are for, such as "to unpack a.tar".

    Raises:
        OSError: if fewer are free.
    """
    free = shutil.disk_usage(directory).free
    if needed and free < needed + _DISK_RESERVE:
        raise OSError(f"The disk of {directory} must have {(needed + _DISK_RESERVE) / 1e9:.2f} GB free "
                      f"{purpose}. Received: {free / 1e9:.2f} GB free.")


def sha256_of(path: str) -> str:
    """SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(_BLOCK), b""):
            digest.update(block)
    return digest.hexdigest()
