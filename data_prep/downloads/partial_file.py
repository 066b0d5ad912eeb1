"""The part of a file that has come over HTTP so far, kept on disk with what the server said of the file.

The part of NAME is .NAME.part; the ETag and the size of the whole stand in .NAME.part.json, so that bytes of
two versions of a file are never joined.
"""

from __future__ import annotations

import contextlib
import hashlib
import http
import json
import os
import re
from collections.abc import Callable
from typing import Any

import requests

from data_prep.stage import files

_HASH_CHUNK = 1 << 20  # bytes
_SIZE = "[0-9]{1,18}"  # what a header may say; more digits are no size


class FileChanged(Exception):
    """What the server has no longer fits what had come."""


class PartialFile:
    """The beginning of a file, on disk, with its running checksums.

    Args:
        path: of the whole file; the part lies beside it.
        url: where it comes from.
        check_going: called while hashing what is there.
        tick: called with the bytes there or come.
    """

    def __init__(self, path: str, url: str, check_going: Callable[[], None], tick: Callable[[int], None]):
        folder, name = os.path.split(path)
        self._path = os.path.join(folder, f".{name}.part")
        self._note_path = f"{self._path}.json"
        self._url, self._tick = url, tick
        self._note = _read_note(self._note_path)
        self._file = open(self._path, "ab+", buffering=0)  # noqa: SIM115
        self.size = 0  # bytes
        self._hashes = _new_hashes()
        self._file.seek(0)
        while chunk := self._file.read(_HASH_CHUNK):
            check_going()
            self._count(chunk)

    @property
    def total(self) -> int | None:
        """Size in bytes of the whole, as the server gave it."""
        return self._note.get("total")

    def get_size(self) -> int:
        return self.size

    def is_whole(self) -> bool:
        return self.total is not None and self.size == self.total

    def range_headers(self) -> dict[str, str]:
        """Asks for what is missing, provided that the file is still the same."""
        if not self.size:
            return {}
        unchanged = {"If-Range": self._note["validator"]} if self._note.get("validator") else {}
        return {"Range": f"bytes={self.size}-", **unchanged}

    def begin(self, response: requests.Response) -> None:
        """Takes note of an answer's headers: its body goes on here, or starts the file anew.

        Raises:
            FileChanged: if the body fits neither the part nor the beginning; the part is empty now.
            OSError: if the body is encoded.
        """
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise OSError(f"{self._url} must come as it is. Received: Content-Encoding "
                          f"{response.headers['Content-Encoding']}.")
        validator = _validator(response)
        if response.status_code == http.HTTPStatus.OK:  # no ranges here, or a changed file
            self._restart()
            self._note = {"url": self._url, "validator": validator, "total": declared_size(response)}
            files.write_json(self._note_path, self._note)
            return
        found = re.fullmatch(rf"bytes ({_SIZE})-{_SIZE}/({_SIZE}|\*)",
                             response.headers.get("Content-Range", ""))
        total = None if found is None or found[2] == "*" else int(found[2])
        same = validator == self._note.get("validator") and total in (None, self.total)
        if (response.status_code != http.HTTPStatus.PARTIAL_CONTENT or found is None
                or int(found[1]) != self.size or not same):
            self._restart()
            raise FileChanged(f"the file changed (HTTP {response.status_code}), starting anew")

    def append(self, chunk: bytes) -> None:
        """Writes what comes next, as long as the disk has room to spare."""
        files.check_room(os.path.dirname(self._path), len(chunk), f"for more of {self._url}")
        view = memoryview(chunk)
        while view:  # an unbuffered file may take less
            view = view[self._file.write(view):]
        self._count(chunk)

    def found(self) -> dict[str, Any]:
        """Size and checksums of what is there."""
        return {"size": self.size, **{name: value.hexdigest() for name, value in self._hashes.items()}}

    def close(self) -> None:
        self._file.close()

    def finish(self, path: str) -> None:
        """Gives the file its final name."""
        with open(self._path, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(self._path, path)
        self._forget_note()

    def delete(self) -> None:
        """Throws away what has come."""
        self._tick(-self.size)
        os.remove(self._path)
        self._forget_note()

    def _restart(self) -> None:
        self._tick(-self.size)
        self._file.truncate(0)
        self.size, self._note = 0, {}
        self._hashes = _new_hashes()

    def _count(self, chunk: bytes) -> None:
        for value in self._hashes.values():
            value.update(chunk)
        self.size += len(chunk)
        self._tick(len(chunk))

    def _forget_note(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.remove(self._note_path)


def part_size(path: str) -> int:
    """Bytes of a file that an earlier run has left of it."""
    folder, name = os.path.split(path)
    part = os.path.join(folder, f".{name}.part")
    return os.path.getsize(part) if os.path.exists(part) else 0


def _read_note(path: str) -> dict[str, Any]:
    try:
        with open(path, encoding="utf-8") as file:
            return dict(json.load(file))
    except (OSError, ValueError, TypeError):
        return {}


def declared_size(response: requests.Response) -> int | None:
    """Bytes of the body as the headers say, or None where they do not."""
    length = response.headers.get("Content-Length", "")
    return int(length) if re.fullmatch(_SIZE, length) else None


def _validator(response: requests.Response) -> str | None:
    """What If-Range may carry: a strong ETag, else the date of the last change."""
    etag = response.headers.get("ETag", "")
    return etag if etag.startswith('"') else response.headers.get("Last-Modified")


def hash_file(path: str, check_going: Callable[[], None], tick: Callable[[int], None]) -> dict[str, Any]:
    """Size in bytes, MD5 and SHA-256 of a file; `tick` is called with the bytes read."""
    size, hashes = 0, _new_hashes()
    with open(path, "rb", buffering=0) as file:
        while chunk := file.read(_HASH_CHUNK):
            check_going()
            for value in hashes.values():
                value.update(chunk)
            size += len(chunk)
            tick(len(chunk))
    return {"size": size, **{name: value.hexdigest() for name, value in hashes.items()}}


def _new_hashes() -> dict[str, Any]:
    return {"md5": hashlib.md5(usedforsecurity=False), "sha256": hashlib.sha256()}
