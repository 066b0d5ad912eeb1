"""Unpacks tar, tar.gz and zip archives that nobody has vouched for.

Only plain files and folders come out, inside the given folder and nowhere else: names that lead out, devices
and links out of the archive are refused, and so is an archive that swells beyond what its size allows. Links
to a file before them in the archive become that file; no symbolic link is ever made.
"""

from __future__ import annotations

import contextlib
import filecmp
import gzip
import json
import os
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any, NamedTuple

from data_prep.stage import files

SUFFIXES = (".tar", ".tgz", ".tar.gz", ".zip")
RECORD_NAME = ".unpacked.json"  # in the folder: the archives in it, by name, with their SHA-256
_MAX_RATIO = 100  # of unpacked to packed bytes; photographs hardly shrink, text and tables 20 times
_SLACK = 64 << 20  # bytes that any archive may unpack to, whatever its own size
_MAX_MEMBERS = 2_000_000  # of one archive; GLDv2 has some 10,000 in each
_MAX_READ = 16 << 20  # bytes in one piece; a header that asks for more is an attack on memory
_COPY = 1 << 20


class _Member(NamedTuple):
    name: str
    kind: str  # file, folder, link
    size: int
    target: str = ""  # of a link
    source: Any = None  # what the archive knows it by


def unpack(archives: Mapping[str, str], directory: str, flat: bool = False,
           tick: Callable[[int], None] = lambda count: None) -> bool:
    """Unpacks archives into one folder, which appears under its name only when it is whole.

    What an earlier call unpacked there stays and is not unpacked again; archives may be added. An interrupted
    call leaves a hidden folder beside `directory`, from which the next one goes on.

    Args:
        archives: SHA-256 of each archive by its path.
        directory: the folder.
        flat: drop the folders inside the archives, keep the files' names.
        tick: called with the bytes that each archive unpacks to, as far as it has come.

    Returns:
        False if nothing was left to do.

    Raises:
        ValueError: naming archive and member, for a member that must not be unpacked, a damaged archive,
            two different files of one name, or an archive of another kind.
        OSError: if the disk has not enough room, or `directory` was not made by this function.
    """
    parent, name = os.path.split(os.path.abspath(directory))
    stage = os.path.join(parent, f".{name}.unpacking")
    merged = os.path.join(stage, "merged")
    record = _read_record(directory) or _read_record(merged) or {}
    if os.path.exists(directory) and not _read_record(directory):
        raise FileExistsError(f"{directory} must be absent or unpacked by this command. Received: a folder "
                              "of another origin; move it away, or do without unpacking.")
    pending = {path: sha256 for path, sha256 in archives.items()
               if record.get(os.path.basename(path)) != sha256}
    if not pending and os.path.exists(directory):
        return False
    os.makedirs(stage, exist_ok=True)
    _check_disk(parent, [path for path, sha256 in pending.items()
                         if not os.path.isdir(os.path.join(stage, sha256))])
    for path, sha256 in archives.items():
        if path in pending and not os.path.isdir(os.path.join(stage, sha256)):
            _unpack_one(path, os.path.join(stage, sha256), flat, tick)
        else:
            tick(unpacked_size(path))
    if os.path.exists(directory):
        os.rename(directory, merged)
    os.makedirs(merged, exist_ok=True)
    for path, sha256 in pending.items():
        _merge(os.path.join(stage, sha256), merged, path)
        record[os.path.basename(path)] = sha256
        files.write_json(os.path.join(merged, RECORD_NAME), record)
        shutil.rmtree(os.path.join(stage, sha256), ignore_errors=True)
    os.rename(merged, directory)
    shutil.rmtree(stage)
    return True


def unpacked_size(path: str) -> int:
    """Bytes that an archive unpacks to, from its own word and without reading it; of a tar.gz, at least."""
    packed = os.path.getsize(path)
    if path.endswith(".zip"):
        with _open_zip(path) as archive:
            return sum(info.file_size for info in archive.infolist())
    if path.endswith((".tgz", ".tar.gz")) and packed > 18:
        with open(path, "rb") as file:
            file.seek(-4, os.SEEK_END)
            size = struct.unpack("<I", file.read(4))[0]  # modulo 2^32
        least = packed - packed // 100 - 1024  # what cannot be compressed grows by a little
        return size if size >= least else size + -(-(least - size) // (1 << 32)) * (1 << 32)
    return packed


def _read_record(directory: str) -> dict[str, str] | None:
    try:
        with open(os.path.join(directory, RECORD_NAME), encoding="utf-8") as file:
            return dict(json.load(file))
    except (OSError, ValueError, TypeError):
        return None


def _check_disk(directory: str, paths: list[str]) -> None:
    names = f"{', '.join(map(os.path.basename, paths[:3]))}{', ...' if len(paths) > 3 else ''}"
    files.check_room(directory, sum(unpacked_size(path) for path in paths), f"to unpack {names}")


def _unpack_one(path: str, directory: str, flat: bool, tick: Callable[[int], None]) -> None:
    temporary = f"{directory}.part"
    shutil.rmtree(temporary, ignore_errors=True)
    os.makedirs(temporary)
    try:
        if path.endswith(".zip"):
            with _open_zip(path) as archive:
                _write_members(_zip_members(archive, path), archive.open, temporary, path, flat, tick)
        elif path.endswith(SUFFIXES):
            with _open_tar(path) as archive:
                _write_members(_tar_members(archive, path, temporary), archive.extractfile, temporary, path,
                               flat, tick)
        else:
            raise ValueError(f"Archives must be {', '.join(SUFFIXES)} files. Received: {path}.")
        os.rename(temporary, directory)
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, gzip.BadGzipFile,
            NotImplementedError) as error:
        raise ValueError(f"Archive {path} must be whole. Received: one with {type(error).__name__}: "
                         f"{error}.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _write_members(members: Iterator[_Member], open_member: Any, directory: str, path: str,
                   flat: bool, tick: Callable[[int], None]) -> None:
    limit = _SLACK + _MAX_RATIO * os.path.getsize(path)
    total = 0
    written: dict[str, str] = {}  # file of each member's name
    for number, member in enumerate(members):
        total += member.size
        if total > limit or number >= _MAX_MEMBERS:
            raise ValueError(f"Archive {path} must unpack to at most {limit} bytes and {_MAX_MEMBERS} "
                             f"members. Received: {total} bytes by {member.name!r}, member {number + 1}.")
        name = _safe_name(member.name, path)
        target = os.path.join(directory, os.path.basename(name) if flat else name)
        try:
            if member.kind == "folder":
                if not flat:
                    os.makedirs(target, exist_ok=True)
                continue
            os.makedirs(os.path.dirname(target), exist_ok=True)
            if member.kind == "link":
                os.link(_linked_file(member, written, path), target)
            else:
                with open_member(member.source) as source, open(target, "xb") as file:
                    shutil.copyfileobj(source, file, _COPY)
            written[name] = target
            tick(member.size)
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            raise ValueError(f"Archive {path} must hold each name once, capitals or not. Received: "
                             f"{member.name!r} a second time.") from None


def _safe_name(name: str, path: str) -> str:
    """The name of a member without ./ and doubled slashes; refuses one that could lead out of a folder."""
    pieces = [piece for piece in name.split("/") if piece not in ("", ".")]
    if (name.startswith("/") or ".." in pieces or "\\" in name or "\0" in name or name[1:2] == ":"
            or RECORD_NAME in pieces):
        raise ValueError(f"Members of {path} must stay in its folder. Received: {name!r}.")
    return "/".join(pieces)


def _linked_file(member: _Member, written: dict[str, str], path: str) -> str:
    target = os.path.normpath(member.target)
    if target not in written:
        raise ValueError(f"Links of {path} must point to a file before them in it. Received: {member.name!r} "
                         f"to {member.target!r}.")
    return written[target]


class _BoundedReads:
    """A file that refuses to be read in pieces so large that only a forged header can ask for them."""

    def __init__(self, file: IO[bytes], path: str):
        self._file, self._path = file, path
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _MAX_READ:
            raise ValueError(f"Headers of archive {self._path} must be shorter than {_MAX_READ} bytes. "
                             f"Received: one of {size} bytes.")
        return self._file.read(size)


@contextlib.contextmanager
def _open_tar(path: str) -> Iterator[tarfile.TarFile]:
    opener = gzip.open if path.endswith("gz") else open
    with opener(path, "rb") as file, tarfile.open(fileobj=_BoundedReads(file, path), mode="r:") as archive:
        yield archive


def _tar_members(archive: tarfile.TarFile, path: str, directory: str) -> Iterator[_Member]:
    for info in iter(archive.next, None):
        archive.members = []  # else it remembers them all
        name = info.name
        if info.isdir():
            yield _Member(name, "folder", 0)
        elif info.isfile() and not info.issparse():
            _apply_data_filter(info, directory, path)
            yield _Member(name, "file", info.size, source=info)
        elif info.issym():  # seen from the folder of the link
            yield _Member(name, "link", 0, os.path.join(os.path.dirname(name), info.linkname))
        elif info.islnk():  # seen from the root of the archive
            yield _Member(name, "link", 0, info.linkname)
        else:
            raise ValueError(f"Archive {path} must hold plain files, folders and links. Received: {name!r}, "
                             f"{'a sparse file' if info.issparse() else 'a device or pipe'}.")
    _check_end(archive)


def _check_end(archive: tarfile.TarFile) -> None:
    """Tells an archive that was cut between two members, or has a damaged header, from one that ended."""
    archive.fileobj.seek(archive.offset)
    if archive.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError("no end after the last member that can be read")
    for _ in range(_MAX_RATIO):  # a tar.gz ends with a checksum
        if not archive.fileobj.read(_COPY):
            break


def _apply_data_filter(info: tarfile.TarInfo, directory: str, path: str) -> None:
    """Lets Python's own filter have its say, where this Python has it."""
    if hasattr(tarfile, "data_filter"):
        try:
            tarfile.data_filter(info, directory)
        except tarfile.FilterError as error:
            raise ValueError(f"Members of {path} must stay in its folder. Received: {info.name!r}: "
                             f"{error}.") from None


@contextlib.contextmanager
def _open_zip(path: str) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except zipfile.BadZipFile as error:
        raise ValueError(f"Archive {path} must be whole. Received: one with BadZipFile: {error}.") from error


def _zip_members(archive: zipfile.ZipFile, path: str) -> Iterator[_Member]:
    for info in archive.infolist():
        mode = info.external_attr >> 16
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR) or info.flag_bits & 1:
            kind = "encrypted" if info.flag_bits & 1 else "a link or device"
            raise ValueError(f"Archive {path} must hold plain files and folders. Received: "
                             f"{info.filename!r}, {kind}.")
        name = info.orig_filename
        yield _Member(name, "folder" if info.is_dir() else "file", info.file_size, source=info)


def _merge(source: str, target: str, path: str) -> None:
    """Moves all files of a folder into another; may be interrupted and called again."""
    for folder, _, names in os.walk(source):
        into = os.path.normpath(os.path.join(target, os.path.relpath(folder, source)))
        try:
            os.makedirs(into, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise ValueError(f"Archive {path} must fit with those before it. Received: {into}, there as a "
                             "file.") from None
        for name in names:
            there = os.path.join(into, name)
            if os.path.exists(there) and not (os.path.isfile(there) and filecmp.cmp(
                    os.path.join(folder, name), there, shallow=False)):
                raise ValueError(f"Archive {path} must fit with those before it. Received: {name!r}, there "
                                 "with other content.")
            os.replace(os.path.join(folder, name), there)
