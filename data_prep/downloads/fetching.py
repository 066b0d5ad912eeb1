"""Fetches one file over HTTP, going on after a cut where it stopped, also in a later process.

The library requests makes the requests; when to try again, and where in the file to go on, is decided here.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import http
import queue
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import requests
import urllib3
from absl import logging

from data_prep.downloads.partial_file import FileChanged, PartialFile, declared_size

_CHUNK = 1 << 16  # bytes
_BUSY = {http.HTTPStatus.REQUEST_TIMEOUT, http.HTTPStatus.TOO_EARLY, http.HTTPStatus.TOO_MANY_REQUESTS}
_TEXT_LIMIT = 4096  # bytes of a published file of checksums


@dataclasses.dataclass(frozen=True)
class Patience:
    """How long to insist."""

    num_attempts: int = 8  # in a row that bring next to nothing
    first_wait: float = 1.0  # seconds before the second attempt; doubled for each further one
    longest_wait: float = 120.0  # seconds, unless the server asks for more
    longest_asked_wait: float = 600.0  # seconds; a server that asks for more is not waited for
    timeout: float = 60.0  # seconds without a byte
    slowest: float = 1000.0  # bytes a second, over `timeout` seconds; fewer are taken for none


@dataclasses.dataclass(frozen=True)
class Expected:
    """What is known of a file before it is fetched; None where nothing is."""

    size: int | None = None  # bytes
    md5: str | None = None
    sha256: str | None = None

    def disagreement(self, found: dict[str, Any]) -> str | None:
        """Says where `found` (size, md5, sha256) differs, or None."""
        for name, value in dataclasses.asdict(self).items():
            if value is not None and name in found and found[name] != value:
                return f"{name} {value}. Received: {found[name]}"
        return None


class Stopped(Exception):
    """Another file failed, or Ctrl-C came: leave off, what has come stays."""


class FileFailed(OSError):
    """This file cannot be had, others may."""


class _PassingError(Exception):
    """The same request may do better later."""

    def __init__(self, message: str, wait: float | None = None):
        super().__init__(message)
        self.wait = wait  # seconds, as the server asks


class _WrongFile(Exception):
    """The bytes, or their number, are not those expected."""


class Fetcher:
    """Requests of one thread, over one connection where the server keeps it open.

    Args:
        patience: for attempts.
        stop: makes all methods leave off with `Stopped` when it is set.
        tick: called with the bytes that have come; with a negative number when they are thrown away.
    """

    def __init__(self, patience: Patience, stop: threading.Event, tick: Callable[[int], None]):
        self._patience, self._stop, self._tick = patience, stop, tick
        self._session = requests.Session()

    def size_of(self, url: str) -> int | None:
        """Size in bytes as the server gives it, or None where it gives none.

        Raises:
            OSError: if there is no such file or the server cannot be reached.
        """
        def ask() -> int | None:
            with self._request("HEAD", url) as response:
                return declared_size(response) if response.status_code == 200 else None

        return self._insist(url, ask)

    def read_text(self, url: str) -> str:
        """The text of a small file, such as one of checksums."""
        def read() -> str:
            with self._request("GET", url) as response:
                text = b""
                for chunk in self._chunks(response):
                    text += chunk
                    if len(text) >= _TEXT_LIMIT:
                        break
                return text[:_TEXT_LIMIT].decode("ascii", "replace")

        return self._insist(url, read)

    def fetch(self, url: str, path: str, expected: Expected,
              max_bytes: int = sys.maxsize) -> dict[str, Any]:
        """Fetches a file; it appears under `path` when it is whole and as expected.

        Args:
            url: where it is.
            path: where it goes.
            expected: what it must be.
            max_bytes: what it may have where no size is expected.

        Returns:
            Its `size` in bytes, `md5` and `sha256`.

        Raises:
            FileFailed: if the bytes are wrong twice or too many, all attempts fail, or the server asks for a
                longer wait than `patience` has.
            OSError: if there is no such file, or the disk fails or fills up.
            Stopped: when told to.
        """
        problem = ""
        for _ in range(2):
            part = PartialFile(path, url, self._check_going, self._tick)
            try:
                self._insist(url, functools.partial(self._go_on, url, part, expected, max_bytes),
                             part.get_size)
                found = part.found()
                problem = expected.disagreement(found)
            except _WrongFile as error:
                problem = str(error)
            finally:
                part.close()
            if not problem:
                part.finish(path)
                return found
            logging.warning("%s has wrong bytes: %s.", url, problem)
            part.delete()
        raise FileFailed(f"{path} must have {problem} from {url}, twice.")

    def _go_on(self, url: str, part: PartialFile, expected: Expected, max_bytes: int) -> None:
        """One request for what is missing."""
        if part.is_whole():
            return
        with self._request("GET", url, part.range_headers()) as response:
            try:
                part.begin(response)
            except FileChanged as error:
                raise _PassingError(str(error)) from None
            _check_size(url, part, expected, max_bytes)
            for chunk in self._chunks(response):
                part.append(chunk)
                _check_size(url, part, expected, max_bytes)
        if part.total is not None and part.size != part.total:
            raise _PassingError(f"the body ended after {part.size} of {part.total} bytes")

    def _chunks(self, response: requests.Response) -> Iterator[bytes]:
        """The body as it comes, which must not be too slowly."""
        came, began = 0, time.monotonic()
        while chunk := response.raw.read1(_CHUNK, decode_content=True):  # read would wait for all of a chunk
            self._check_going()
            yield chunk
            came += len(chunk)
            if (seconds := time.monotonic() - began) > self._patience.timeout:
                if came < self._patience.slowest * seconds:
                    raise _PassingError(f"{came} bytes in {seconds:.3g} s, fewer than "
                                        f"{self._patience.slowest:g} a second")
                came, began = 0, time.monotonic()

    def _answer(self, *arguments: Any, **options: Any) -> requests.Response:
        """The answer to a request once its headers are there, of which each byte may take a while as well."""
        answers: queue.SimpleQueue[requests.Response | BaseException] = queue.SimpleQueue()

        def ask(session: requests.Session) -> None:
            try:
                answers.put(session.request(*arguments, **options, timeout=self._patience.timeout))
            except BaseException as error:
                answers.put(error)

        threading.Thread(target=ask, args=(self._session,), daemon=True).start()
        try:
            answer = answers.get(timeout=2 * self._patience.timeout)
        except queue.Empty:
            self._session = requests.Session()  # the thread keeps the other
            raise _PassingError(f"no whole headers in {2 * self._patience.timeout:g} s") from None
        if isinstance(answer, BaseException):
            raise answer
        return answer

    @contextlib.contextmanager
    def _request(self, method: str, url: str, headers: dict[str, str] | None = None
                 ) -> Iterator[requests.Response]:
        with self._answer(method, url, stream=True, allow_redirects=True,
                          headers={"Accept-Encoding": "identity", **(headers or {})}) as response:
            status = response.status_code
            if status in _BUSY or status >= 500:
                wait = _asked_wait(response)
                if wait is not None and wait > self._patience.longest_asked_wait:
                    raise FileFailed(f"{url} must be had without a wait above "
                                     f"{self._patience.longest_asked_wait:g} s. Received: HTTP {status} "
                                     f"{response.reason}, Retry-After: "
                                     f"{response.headers['Retry-After'][:40]}; run this again then.")
                raise _PassingError(f"HTTP {status} {response.reason}", wait)
            if status >= 400 and status != 416 and not (method == "HEAD" and status in (403, 405)):
                raise OSError(f"{url} must exist and be open to all. "
                              f"Received: HTTP {status} {response.reason}.")
            yield response

    def _insist(self, url: str, attempt: Callable[[], Any], reached: Callable[[], int] = lambda: 0) -> Any:
        """Calls `attempt` until it succeeds; gives up after enough calls in a row that got hardly further."""
        failures, furthest = 0, reached()
        least = self._patience.slowest * self._patience.timeout  # bytes; a few in each call would never end
        while True:
            self._check_going()
            try:
                return attempt()
            except requests.exceptions.SSLError as error:
                raise FileFailed(f"{url} must have a valid certificate. Received: {error}.") from error
            except (_PassingError, requests.ConnectionError, requests.Timeout,
                    requests.exceptions.ChunkedEncodingError, urllib3.exceptions.HTTPError) as error:
                self._check_going()
                failures = 1 if reached() > furthest + least else failures + 1
                furthest = max(furthest, reached())
                if failures >= self._patience.num_attempts:
                    raise FileFailed(f"{url} must be had within {failures} attempts. "
                                     f"Received: {_in_short(error)}.") from error
                wait = getattr(error, "wait", None)
                if wait is None:
                    wait = min(self._patience.longest_wait, self._patience.first_wait * 2 ** (failures - 1))
                    wait *= random.uniform(0.5, 1)  # so that parallel requests do not come back together
                logging.warning("%s: %s; trying again in %.3g s.", url, _in_short(error), wait)
                self._stop.wait(wait)
            except requests.RequestException as error:
                raise OSError(f"{url} must be an address that can be fetched. Received: "
                              f"{_in_short(error)}.") from error

    def _check_going(self) -> None:
        if self._stop.is_set():
            raise Stopped


def _check_size(url: str, part: PartialFile, expected: Expected, max_bytes: int) -> None:
    """Refuses what has come, or is announced, as soon as it is known to be too much."""
    if expected.size is not None:
        if part.size > expected.size or part.total not in (None, expected.size):
            raise _WrongFile(f"size {expected.size}. Received: {part.total or 'more'}")
    elif max(part.size, part.total or 0) > max_bytes:
        received = f"{part.total} bytes" if part.total else f"more than {part.size - 1}, without an end"
        part.delete()
        raise FileFailed(f"{url} must have at most {max_bytes} bytes (`max_file_gb`), as no size of it is "
                         f"published. Received: {received}.")


def _asked_wait(response: requests.Response) -> float | None:
    try:
        return urllib3.Retry().get_retry_after(response.raw)
    except (urllib3.exceptions.InvalidHeader, ValueError, OverflowError):  # of 5,000 digits, of the year 0
        return None


def _in_short(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
