"""Downloads many files: in parallel, each whole and checked or not there, the finished ones skipped.

checksums.json in the output folder keeps size, time of change, MD5 and SHA-256 of each finished file. A file
that still has that size and time is not read again; where nobody publishes a checksum, the one kept serves to
tell a file that changed at its source.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import functools
import itertools
import json
import os
import re
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from absl import logging

from data_prep.downloads import archives, partial_file
from data_prep.downloads.fetching import Expected, Fetcher, FileFailed, Patience, Stopped
from data_prep.sources.public_set import PublicFile
from data_prep.stage import files as stage_files
from data_prep.stage import lock, progress
from data_prep.stage.settings import check_fields, setting

CHECKSUMS_NAME = "checksums.json"
_LOCK_NAME = ".download.lock"
_MAX_FAILED = 5  # files; more stop the download: then it is not the files
_POLL_SECONDS = 0.05
_JOIN_SECONDS = 1.0  # given to the connections to leave off; a stalled one ends with the process


@dataclasses.dataclass(frozen=True)
class DownloadConfig:
    """How files are downloaded."""

    output_dir: str = setting(help="folder of the files; one for all of GLDv2 is fine", written=True)
    num_connections: int = setting(4, help="files that are fetched at once", range="[1, 64]")
    base_url: str = setting(
        "", help="mirror that holds the same paths, in place of the published addresses; empty: none")
    verify: bool = setting(
        False, help="read finished files again, compare their checksums, fetch damaged ones anew")
    max_file_gb: float = setting(
        20.0, help="largest file that is taken where no size of it is published", unit="GB", range="(0, inf)")
    patience: Patience = setting(Patience(), help="how long to insist where a connection fails")

    def __post_init__(self):
        check_fields(self)
        if self.base_url and not self.base_url.startswith(("http://", "https://")):
            raise ValueError("`base_url` must begin with http:// or https://. "
                             f"Received: base_url={self.base_url}.")

    def url(self, file: PublicFile, path: str) -> str:
        return f"{(self.base_url or file.base_url).rstrip('/')}/{path}"

    def path(self, file: PublicFile) -> str:
        return os.path.join(self.output_dir, *file.path.split("/"))


def download(files: Sequence[PublicFile], config: DownloadConfig, unpack_dir: str = "",
             flat: bool = False) -> None:
    """Downloads what is not there yet and, if told to, unpacks the archives among it.

    After Ctrl-C, a failure or a kill the same call goes on from the bytes that have come.

    Args:
        files: what to download.
        config: where to and how.
        unpack_dir: folder in `output_dir` that takes what is in the archives; empty: they stay packed.
        flat: drop the folders inside the archives.

    Raises:
        OSError: if the disk has not enough room, another download works in the folder, a file does not
            exist at its address, or some cannot be had whole and as published.
        ValueError: if an archive must not be unpacked (see archives.unpack).
    """
    os.makedirs(config.output_dir, exist_ok=True)
    with _only_download(config.output_dir):
        checksums = _Checksums(config.output_dir)
        pending = [file for file in files if config.verify or not checksums.hold(file, config.path(file))]
        if pending:
            _Download(config, checksums).run(pending, bool(unpack_dir))
        if unpack_dir:
            packed = {config.path(file): checksums.of(file)["sha256"] for file in files
                      if file.path.endswith(archives.SUFFIXES)}
            with progress.bar("bytes") as bar:
                row = bar.add_task("Unpacking", total=sum(map(archives.unpacked_size, packed)))
                archives.unpack(packed, os.path.join(config.output_dir, unpack_dir), flat,
                                functools.partial(bar.advance, row))


def list_missing(files: Sequence[PublicFile], config: DownloadConfig) -> list[PublicFile]:
    """The files that `download` would fetch or read, known from the disk alone."""
    checksums = _Checksums(config.output_dir)
    return [file for file in files if config.verify or not checksums.hold(file, config.path(file))]


class _Checksums:
    """What checksums.json says; safe to use from many threads."""

    def __init__(self, directory: str):
        self._path = os.path.join(directory, CHECKSUMS_NAME)
        self._lock = threading.Lock()
        self._entries: dict[str, dict[str, Any]] = {}
        if os.path.exists(self._path):
            try:
                with open(self._path, encoding="utf-8") as file:
                    self._entries = {name: dict(entry) for name, entry in json.load(file).items()}
            except (ValueError, TypeError, AttributeError):
                raise ValueError(f"{self._path} must be as data_prep.download writes it. Received: a damaged "
                                 "file; delete it, and all files are read and compared again.") from None

    def of(self, file: PublicFile) -> dict[str, Any]:
        return self._entries.get(file.path, {})

    def hold(self, file: PublicFile, path: str) -> bool:
        """Whether the file is there as it was when it was checked, which is as expected."""
        entry = self.of(file)
        if not entry or not os.path.isfile(path):
            return False
        status = os.stat(path)
        same = (status.st_size, status.st_mtime_ns) == (entry.get("size"), entry.get("mtime_ns"))
        return same and "sha256" in entry and published(file).disagreement(entry) is None

    def add(self, file: PublicFile, path: str, found: dict[str, Any], url: str) -> None:
        with self._lock:
            self._entries[file.path] = {**found, "mtime_ns": os.stat(path).st_mtime_ns, "url": url}
            stage_files.write_json(self._path, self._entries)


class _Download:
    def __init__(self, config: DownloadConfig, checksums: _Checksums):
        self._config, self._checksums = config, checksums
        self._stop = threading.Event()
        self._failures: list[FileFailed] = []
        self._sizes: dict[str, int] = {}  # bytes, as the servers give them

    def run(self, files: list[PublicFile], unpack: bool) -> None:
        with progress.bar("files") as bar:
            unknown = [file for file in files if file.size is None]
            row = bar.add_task("Asking for sizes", total=len(unknown))
            self._in_parallel(unknown, self._ask_size, lambda _: None, lambda: bar.advance(row))
        self._raise_failures()
        self._check_disk(files, unpack)
        with progress.bar("bytes") as bar:
            row = bar.add_task(f"0 of {len(files)} files", total=sum(map(self._size_of, files)))
            done = itertools.count(1)
            self._in_parallel(files, self._bring, functools.partial(bar.advance, row), lambda: bar.update(
                row, description=f"{next(done)} of {len(files)} files"))
        self._raise_failures()

    def _in_parallel(self, files: list[PublicFile], function: Callable[..., None],
                     tick: Callable[[int], None], done: Callable[[], None]) -> None:
        """Calls `function(file, fetcher, tick)` of each file, and `done()` after each.

        The threads are daemons: after Ctrl-C the process need not wait for a connection that stalls.
        """
        waiting = collections.deque(files)
        errors: list[BaseException] = []

        def work() -> None:
            fetcher = Fetcher(self._config.patience, self._stop, tick)
            with contextlib.suppress(IndexError, Stopped):
                while not self._stop.is_set():
                    file = waiting.popleft()
                    try:
                        function(file, fetcher, tick)
                        done()
                    except FileFailed as error:
                        logging.warning("%s", error)
                        self._failures.append(error)
                        if len(self._failures) > _MAX_FAILED:
                            self._stop.set()
                    except Stopped:
                        raise
                    except BaseException as error:
                        errors.append(error)
                        self._stop.set()

        threads = [threading.Thread(target=work, daemon=True)
                   for _ in range(min(self._config.num_connections, len(files)))]
        for thread in threads:
            thread.start()
        try:
            while any(thread.is_alive() for thread in threads):
                time.sleep(_POLL_SECONDS)
        finally:
            self._stop.set()
            deadline = time.monotonic() + _JOIN_SECONDS
            for thread in threads:
                thread.join(max(0.0, deadline - time.monotonic()))
        if errors:
            raise errors[0]
        self._stop.clear()

    def _ask_size(self, file: PublicFile, fetcher: Fetcher, _: Any) -> None:
        size = fetcher.size_of(self._config.url(file, file.path))
        if size is not None:
            self._sizes[file.path] = size

    def _bring(self, file: PublicFile, fetcher: Fetcher, tick: Callable[[int], None]) -> None:
        path, url = self._config.path(file), self._config.url(file, file.path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        expected, kept = self._expected(file, fetcher)
        if os.path.isfile(path):
            found = partial_file.hash_file(path, self._check_going, tick)
            known = expected.md5 or expected.sha256
            problem = (expected if known else Expected(self._size_of(file))).disagreement(found)
            if problem is None:
                self._checksums.add(file, path, found, url)
                return
            logging.warning("%s must have %s; it is fetched again.", path, problem)
            tick(-found["size"])
        try:
            self._checksums.add(file, path, fetcher.fetch(
                url, path, expected, int(self._config.max_file_gb * 1e9)), url)
        except FileFailed as error:
            hint = f" If there is a new version, delete the entry from {CHECKSUMS_NAME}." if kept else ""
            raise FileFailed(f"{error}{hint}") from error

    def _expected(self, file: PublicFile, fetcher: Fetcher) -> tuple[Expected, bool]:
        """What the file must be, and whether that is known from checksums.json alone."""
        if file.md5 or file.sha256:
            return published(file), False
        entry = self._checksums.of(file)
        if file.md5_path and not (entry and os.path.isfile(self._config.path(file))):
            url = self._config.url(file, file.md5_path)
            md5 = fetcher.read_text(url)[:32].lower()
            if not re.fullmatch("[0-9a-f]{32}", md5):
                raise FileFailed(f"{url} must begin with an MD5 of 32 digits. Received: {md5!r}.")
            return Expected(file.size, md5), False
        return Expected(file.size, sha256=entry.get("sha256")), bool(entry)

    def _check_going(self) -> None:
        if self._stop.is_set():
            raise Stopped

    def _size_of(self, file: PublicFile) -> int:
        return file.size or self._sizes.get(file.path) or file.about or 0

    def _check_disk(self, files: list[PublicFile], unpack: bool) -> None:
        needed = 0
        for file in files:
            path, size = self._config.path(file), self._size_of(file)
            if not os.path.isfile(path):
                needed += max(0, size - partial_file.part_size(path))
            if unpack and file.path.endswith(archives.SUFFIXES):
                needed += size
        stage_files.check_room(self._config.output_dir, needed,
                               f"for {len(files)} files{' and to unpack them' if unpack else ''}")

    def _raise_failures(self) -> None:
        if self._failures:
            more = f" And {len(self._failures) - 1} more files failed." if len(self._failures) > 1 else ""
            raise OSError(f"{self._failures[0]}{more}")


def published(file: PublicFile) -> Expected:
    """What the table says that a file must be."""
    return Expected(file.size, file.md5, file.sha256)


def _only_download(directory: str) -> contextlib.AbstractContextManager[None]:
    """Keeps other downloads out of the folder; the lock ends with the process, however that ends."""
    return lock.locked(os.path.join(directory, _LOCK_NAME),
                              "`output_dir` must be used by one download at a time. Received: "
                              f"{directory}, where another one works.")
