"""Files that appear under their name only when they are whole, room for them, text, JSON, SHA-256."""

from __future__ import annotations

import codecs
import contextlib
import errno
import fcntl
import glob
import hashlib
import io
import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from typing import Any, TextIO

from data_prep.stage import storage

DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # error numbers of a write that finds no room
_BLOCK = 1 << 22  # bytes read at a time
_DISK_RESERVE = 64 << 20  # bytes left free
_PROBE = 1 << 16  # bytes; a write that fails leaves less free
_PAUSE = 0.05  # seconds between trials to lock a folder, which is locked alone for moments only
_TEMPORARY = re.compile(r"\..+\.[0-9a-f]+\.tmp")
_cleared: set[str] = set()  # folders this process has cleared, as it first wrote into them


@contextlib.contextmanager
def replacing(path: str) -> Iterator[str]:
    """Gives a temporary path in the folder of `path`; renames it to `path` when the block ends well.

    After an error or Ctrl-C in the block the temporary file is gone and `path` is as it was.

    Raises:
        OSError: the disk is full, in whatever words the block's error says so; it names `path`.
    """
    with temporary_beside(path) as temporary, saying_when_full(path, temporary):
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)


@contextlib.contextmanager
def replacing_folder(path: str) -> Iterator[str]:
    """Gives a path beside `path`, for a folder to make; renames it to `path` when the block ends well.

    After an error or Ctrl-C in the block the temporary folder is gone.

    Args:
        path: folder; must be empty or not exist.

    Raises:
        OSError: the disk is full, as `replacing` says it, or another process has filled `path` meanwhile.
    """
    with temporary_beside(path) as temporary, saying_when_full(path, temporary):
        yield temporary
        try:
            os.replace(temporary, path)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            raise OSError(f"A folder must be written by one process at a time. Received: {path}, which "
                          "another one has written meanwhile; it is whole.") from None


@contextlib.contextmanager
def temporary_beside(path: str) -> Iterator[str]:
    """Gives a path in the folder of `path` for what is not finished; what lies there at the end is removed.

    The folder is made where there is none. The name starts with a dot, so no shard pattern matches it, and
    occurs once. That of a process that is killed stays, until the next one that writes there clears it.
    """
    directory, name = os.path.split(os.path.abspath(path))
    os.makedirs(directory, exist_ok=True)
    if directory not in _cleared:
        _cleared.add(directory)
        clear_temporaries(directory)
    temporary = os.path.join(directory, f".{name}.{secrets.token_hex(4)}.tmp")
    with _folder_locked(directory, fcntl.LOCK_SH):
        try:
            yield temporary
        finally:
            _remove(temporary)


def clear_temporaries(directory: str) -> None:
    """Removes what killed processes left unfinished in a folder, unless any process is writing into it.

    Whoever writes holds a shared lock on the folder itself, which ends with the process. Where the file
    system has no such lock, as NFS, all is left as it is.
    """
    names = [name for name in os.listdir(directory) if is_temporary(name)]
    if names:
        with _folder_locked(directory, fcntl.LOCK_EX, num_trials=1) as is_alone:
            for name in names if is_alone else ():
                _remove(os.path.join(directory, name))


def is_temporary(name: str) -> bool:
    """Whether a file or folder is called as what `replacing` and its like have not finished."""
    return _TEMPORARY.fullmatch(name) is not None


@contextlib.contextmanager
def _folder_locked(directory: str, how: int, num_trials: int = 20) -> Iterator[bool]:
    """Locks a folder if that is possible, and says whether it was; the lock ends with the process."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        held = False
        for trial in range(num_trials):
            try:
                fcntl.flock(descriptor, how | fcntl.LOCK_NB)
                held = True
                break
            except BlockingIOError:
                time.sleep(_PAUSE if trial < num_trials - 1 else 0)
            except OSError:  # a file system without locks
                break
        yield held
    finally:
        os.close(descriptor)


def _remove(path: str) -> None:
    with contextlib.suppress(OSError):
        os.remove(path)
    shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def saying_when_full(path: str, temporary: str = "") -> Iterator[None]:
    """Has errors of the block that come of a full disk say so, and name `path`.

    Args:
        path: what is written.
        temporary: file or folder that it is written to, to be asked where an error says nothing of it.

    Raises:
        OSError: in place of an error of any type.
    """
    try:
        yield
    except Exception as error:
        number = _full_disk(error, temporary)
        if number is None:
            raise
        raise OSError(number, os.strerror(number), path) from error


def _full_disk(error: Exception, temporary: str) -> int | None:
    """The error number of a disk that takes no more: libraries have many words for it, or none."""
    if isinstance(error, OSError) and error.errno in DISK_FULL:
        return error.errno
    for number in DISK_FULL:
        if os.strerror(number) in str(error):
            return number
    if not os.path.exists(temporary):
        return None
    try:
        check_not_full(temporary)
    except OSError as refusal:
        return refusal.errno if refusal.errno in DISK_FULL else None
    return None


def check_not_full(path: str) -> None:
    """Raises an OSError if the disk takes no more: asked by bytes at the end of a file, or in a folder."""
    probe = os.path.join(path, f".probe.{secrets.token_hex(4)}.tmp") if os.path.isdir(path) else path
    try:
        with open(probe, "ab") as file:
            file.write(bytes(_PROBE))
    finally:
        if probe != path:
            _remove(probe)


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


def matching(pattern: str, inside: str = "*") -> list[str]:
    """Paths that match a glob, sorted; a file or a folder that is there is meant as it is written.

    The glob may have a scheme that `storage` knows, such as gs://.

    Args:
        pattern: glob of files, or a folder; brackets in the name of a folder stand for themselves.
        inside: glob of the files of a folder.
    """
    if storage.is_remote(pattern):
        return storage.glob(pattern)
    folder, name = (pattern, inside) if os.path.isdir(pattern) else os.path.split(pattern)
    if os.path.isfile(pattern):
        name = glob.escape(name)
    return sorted(glob.glob(os.path.join(glob.escape(folder) if os.path.isdir(folder) else folder, name)))


@contextlib.contextmanager
def open_text(path: str, errors: str = "strict",
              what: str = "UTF-8 text, not cp1252 as of some spreadsheets") -> Iterator[TextIO]:
    """Text of UTF-8, with or without a byte order mark, its line ends as they are.

    Args:
        path: of the file, which may have a scheme; a pipe will do.
        errors: what becomes of bytes that are not UTF-8, as for `open`.
        what: what it must be, for the message.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not UTF-8, with the line where it is not.
    """
    with storage.open_binary(path) as file:
        stored = file if file.seekable() else io.BytesIO(file.read())
        head = stored.read(4)
        if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in head:
            raise ValueError(f"{path} must be UTF-8 text. Received: UTF-16, or no text.")
        stored.seek(0)
        with io.TextIOWrapper(stored, encoding="utf-8-sig", errors=errors, newline="") as text:
            try:
                yield text
            except UnicodeDecodeError as error:
                stored.seek(0)
                line = next(number for number, row in enumerate(stored, 1)
                            if row.decode(errors="replace").encode() != row)
                raise ValueError(f"{path} must be {what}. Received: line {line}: {error}.") from error


def read_json(path: str, what: str = "JSON") -> Any:
    """What a JSON file holds.

    Args:
        path: of the file.
        what: what it must be, for the message, such as "scores of delg.evaluate".

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not JSON.
    """
    with open_text(path, what=what) as file:
        text = file.read()
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:  # of text, of a nest without end
        raise ValueError(f"{path} must be {what}. Received: {error}.") from error


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


def json_digest(value: dict[str, Any]) -> str:
    """SHA-256, in hex, of all that a JSON object says but for its entry `sha256`, in whatever order."""
    entries = json.loads(json.dumps({name: entry for name, entry in value.items() if name != "sha256"}))
    return hashlib.sha256(json.dumps(entries, sort_keys=True).encode()).hexdigest()


def write_checked_json(path: str, value: dict[str, Any]) -> None:
    """Writes a JSON object with its digest as the last entry, `sha256`, whole or not at all."""
    write_json(path, {**value, "sha256": json_digest(value)})


def read_checked_json(path: str, what: str = "a JSON object") -> dict[str, Any]:
    """The JSON object that `write_checked_json` wrote, without its digest; it may have none.

    Args:
        path, what: as of `read_json`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not a JSON object, or another than was written.
    """
    value = read_json(path, what)
    if not isinstance(value, dict):
        raise ValueError(f"{path} must be {what}. Received: {type(value).__name__}.")
    said = value.pop("sha256", None)
    if said is not None and said != (digest := json_digest(value)):
        raise ValueError(f"{path} must be as it was written: it is damaged or was changed since. Received: "
                         f"SHA-256 {digest[:16]}...; whoever changed it on purpose takes out `sha256`.")
    return value


def sha256_of(path: str) -> str:
    """SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(_BLOCK), b""):
            digest.update(block)
    return digest.hexdigest()
