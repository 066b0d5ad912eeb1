"""Files of an index: written whole under new names, named by one description, checked when read.

    index.json                     the description, written last: type, dimension, num_images, fingerprint,
                                   settings, and of each file below its bytes and SHA-256, and its own
    <stem>-<g>-<i>.npy             arrays of images that were added together, such as descriptors
    ids-<g>.json                   ids of the images, in the order of the rows
    kept-<g>.npy                   int64 [N], increasing: places that count; absent where none was removed
    groups-<g>.npy                 int64 [places]: equal for nearly equal descriptors, of which a finder of
                                   candidates has the first alone; absent where all differ
    <stem>-<g>.npy, <stem>-<g>.index      what else the type of index writes: arrays, bytes of a library

<g> counts the changes of a folder, <i> the parts of one. A change that is broken off leaves the
index as it was.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import tokenize
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, BinaryIO

import numpy as np

from data_prep.stage import files as stage_files
from data_prep.stage import lock
from data_prep.stage.lazy_module import LazyModule
from data_prep.stage.numpy_files import read_npy

faiss = LazyModule("faiss")

FORMAT = 2
_DESCRIPTION = "index.json"
_NAME = re.compile(r"(?P<stem>[a-z_]+)-(?P<generation>\d+)(-\d+)?\.(npy|json|index)")
_COMMON_STEMS = ("ids", "kept", "groups")
_FAULTS = (KeyError, TypeError, AttributeError, IndexError, RuntimeError, OverflowError, SyntaxError,
           tokenize.TokenError)  # the last two of NumPy's headers, RuntimeError of FAISS
_ENTRIES = {"type": str, "dimension": int, "num_images": int, "fingerprint": str, "features": dict,
            "config": dict, "segments": list, "arrays": dict, "files": dict}


def content_digest(description: dict[str, Any]) -> str:
    """SHA-256 over the settings and the files' contents: equal for an index and one built again alike."""
    sha256 = {name: facts["sha256"] for name, facts in description["files"].items()}
    contents = [[sha256[name] for name in description["segments"]],
                {stem: sha256[name] for stem, name in description["arrays"].items()}]
    entries = [description["type"], description["fingerprint"], description["config"], contents]
    return hashlib.sha256(json.dumps(entries, sort_keys=True).encode()).hexdigest()


def changing(index_dir: str) -> contextlib.AbstractContextManager[None]:
    """Keeps other processes from changing an index in the block; makes the folder if absent.

    Raises:
        OSError: if another process is changing it.
    """
    return lock.alone_in(index_dir, "index_dir", "changed")


class IndexWriter:
    """Writes files beside those of a finished index, which stays valid until `finish`.

    Use as a context manager: leaving it by an exception removes what was written.

    Args:
        index_dir: folder; made if absent.
        stems: first parts of the names that files of any type of such an index have, but for ids, kept and
            groups. Other files in the folder are left alone.
        description: of the index that is changed; its files can be named again. None: a new index.

    Attributes:
        folder: as given.
    """

    def __init__(self, index_dir: str, stems: Iterable[str], description: dict[str, Any] | None = None):
        os.makedirs(index_dir, exist_ok=True)
        self.folder = index_dir
        self._stems = {*_COMMON_STEMS, *stems}
        self._known = dict(description["files"]) if description else {}
        taken = [int(_NAME.fullmatch(name)["generation"]) for name in self._ours()]
        self._generation = max(taken, default=-1) + 1
        self._num_segments = 0

    def __enter__(self) -> IndexWriter:
        return self

    def __exit__(self, error_type, error, traceback) -> None:
        if error_type is not None:
            self._abandon()

    def write_segment(self, **arrays: np.ndarray) -> dict[str, str]:
        """Writes arrays of images that were added together; returns the names of the files by stem."""
        self._num_segments += 1
        return {stem: self._write(stem, f"-{self._num_segments - 1:05d}.npy",
                                  lambda file, array=array: np.save(file, array, allow_pickle=False))
                for stem, array in arrays.items()}

    def write_array(self, stem: str, array: np.ndarray) -> str:
        """Writes one array; returns the name of its file."""
        return self._write(stem, ".npy", lambda file: np.save(file, array, allow_pickle=False))

    def write_ids(self, ids: list[str]) -> str:
        """Writes the ids of all images, in the order of their rows; returns the name of the file."""
        content = json.dumps(ids).encode()
        return self._write("ids", ".json", lambda file: file.write(content))

    def write_bytes(self, stem: str, content: bytes | memoryview) -> str:
        """Writes what a library serialised; returns the name of the file."""
        return self._write(stem, ".index", lambda file: file.write(content))

    def _write(self, stem: str, ending: str, save: Callable[[BinaryIO], object]) -> str:
        if stem not in self._stems:
            raise ValueError("Files of an index must have a stem that its type names. "
                             f"Received: {stem!r}, none of {', '.join(sorted(self._stems))}.")
        name = f"{stem}-{self._generation:05d}{ending}"
        path = os.path.join(self.folder, name)
        with stage_files.replacing(path) as temporary:
            with open(temporary, "wb") as file:
                save(file)
            self._known[name] = {"bytes": os.path.getsize(temporary),
                                 "sha256": stage_files.sha256_of(temporary)}
        return name

    def path(self, name: str) -> str:
        return os.path.join(self.folder, name)

    def finish(self, description: dict[str, Any]) -> None:
        """Makes the written files the index; those it does not name are removed."""
        named = [*description["segments"], *description["arrays"].values()]
        files = {name: self._known[name] for name in named}
        whole = {**description, "format": FORMAT, "files": files}
        stage_files.write_checked_json(self.path(_DESCRIPTION), whole)
        self._remove_others(files)

    def _abandon(self) -> None:
        finished = finished_description(self.folder)
        self._remove_others(finished["files"] if finished else {})

    def _remove_others(self, files: dict[str, Any]) -> None:
        for name in self._ours():
            if name not in files:
                os.remove(self.path(name))

    def _ours(self) -> list[str]:
        """Names of the files in the folder that some index wrote or left unfinished."""
        return [name for name in os.listdir(self.folder)
                if (match := _NAME.fullmatch(name)) and match["stem"] in self._stems]


def read_description(index_dir: str) -> dict[str, Any]:
    """The description of a finished index.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if it is damaged or of another format.
    """
    path = os.path.join(index_dir, _DESCRIPTION)
    if not os.path.exists(path):
        raise FileNotFoundError("`index_dir` must hold an index, written by build_index. "
                                f"Received: {index_dir!r}, which has no index.json.")
    what = f"a whole description of format {FORMAT}: build the index again"
    description = stage_files.read_checked_json(path, what)
    try:
        _check_description(description)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} must be {what}. Received: {type(error).__name__}: {error}.") from error
    return description


def finished_description(index_dir: str) -> dict[str, Any] | None:
    """The description of the index in a folder; None: there is no whole one."""
    try:
        return read_description(index_dir)
    except (FileNotFoundError, ValueError):
        return None


@contextlib.contextmanager
def loading(index_dir: str) -> Iterator[None]:
    """Turns what readers of an index's files raise in the block into a ValueError that names the folder."""
    try:
        yield
    except (*_FAULTS, ValueError) as error:
        if isinstance(error, ValueError) and index_dir in str(error):
            raise
        raise ValueError(f"{index_dir} must hold a whole index that fits this version: build it again. "
                         f"Received: {type(error).__name__}: {error}.") from error


def bound_faiss(content: np.ndarray) -> np.ndarray:
    """The bytes of a FAISS index, uint8 [n]; FAISS then makes nothing of more, if it can be told."""
    if hasattr(faiss, "set_deserialization_vector_byte_limit"):  # since 1.14
        faiss.set_deserialization_vector_byte_limit(len(content))
        faiss.set_deserialization_loop_limit(len(content))
    return content


def _check_description(description: dict[str, Any]) -> None:
    """Raises a ValueError, KeyError, TypeError or AttributeError unless a description is whole and sound."""
    if description["format"] != FORMAT:
        raise ValueError(f"format {description['format']}")
    for name, expected in _ENTRIES.items():
        if not isinstance(description[name], expected):
            raise TypeError(f"{name} must be {expected.__name__}, not {type(description[name]).__name__}")
    for name, facts in description["files"].items():
        if not _NAME.fullmatch(name):
            raise ValueError(name)
        if not isinstance(facts["bytes"], int) or not isinstance(facts["sha256"], str):
            raise TypeError(f"bytes and SHA-256 of {name}")
    for name in (*description["segments"], *description["arrays"].values()):
        if name not in description["files"]:
            raise ValueError(f"{name} is not among its files")


class IndexFiles:
    """Checked reading of the files that a description names.

    Args:
        index_dir: folder of the index.
        description: as `read_description` gives it.

    Attributes:
        folder: of the index.
    """

    def __init__(self, index_dir: str, description: dict[str, Any]):
        self.folder, self._files = index_dir, description["files"]
        self._arrays, self._num_images = description["arrays"], description["num_images"]

    def _path(self, name: str) -> str:
        path = os.path.join(self.folder, name)
        if not os.path.exists(path):
            raise FileNotFoundError(f"{path} must be there as index.json says: build the index again. "
                                    "Received: no such file.")
        size = os.path.getsize(path)
        if size != self._files[name]["bytes"]:
            raise ValueError(f"{path} must have {self._files[name]['bytes']} bytes as index.json says: it is "
                             f"damaged, build the index again. Received: {size} bytes.")
        return path

    def map_array(self, name: str, dtypes: Sequence[str], width: int | None = None,
                  check: bool = False) -> np.ndarray:
        """Memory-maps a file.

        Args:
            name: of the file.
            dtypes: one of which it has to have.
            width: of its rows; None: it has one axis.
            check: whether all bytes are compared with the checksum first.

        Raises:
            FileNotFoundError: if it is gone.
            ValueError: if it is damaged, or of another shape or type.
        """
        path = self._path(name)
        if check:
            self._compare(path, stage_files.sha256_of(path), name)
        try:
            array = np.lib.format.open_memmap(path, mode="r")
        except ValueError as error:
            raise ValueError(f"{path} must be a .npy file: it is damaged, build the index again. "
                             f"Received: {error}.") from error
        tail = () if width is None else (width,)
        if (array.ndim < 1 or array.shape[1:] != tail or str(array.dtype) not in dtypes
                or not array.flags.c_contiguous):
            shape = ", ".join(map(str, ("n", *tail)))
            raise ValueError(f"{path} must be {' or '.join(dtypes)} [{shape}], row by row. "
                             f"Received: {array.dtype} {array.shape}.")
        return array

    def read_bytes(self, stem: str) -> bytes:
        """Content of the file named `stem` in the description, compared with its checksum."""
        name = self._arrays[stem]
        path = self._path(name)
        with open(path, "rb") as file:
            content = file.read()
        self._compare(path, hashlib.sha256(content).hexdigest(), name)
        return content

    def read_array(self, stem: str) -> np.ndarray:
        content = self.read_bytes(stem)
        try:
            return read_npy(content)
        except ValueError as error:
            raise ValueError(f"{self._path(self._arrays[stem])} must be an .npy file: build the index "
                             f"again. Received: {error}.") from error

    def read_images(self, num_places: int) -> tuple[list[str], np.ndarray | None]:
        """Ids of the N images, and where each lies: places int64 [N], increasing; None: one after the other.

        Args:
            num_places: images in the segments, those that were removed too.

        Raises:
            ValueError: if ids, places and the description contradict one another.
        """
        ids = json.loads(self.read_bytes("ids"))
        if not isinstance(ids, list) or not all(isinstance(image_id, str) for image_id in ids):
            raise ValueError(f"{self._arrays['ids']} must be a list of strings. Received: something else.")
        kept = self.read_array("kept") if "kept" in self._arrays else None
        if kept is not None and (kept.dtype != np.int64 or kept.ndim != 1 or np.any(np.diff(kept) <= 0) or
                                 len(kept) and not 0 <= kept[0] <= kept[-1] < num_places):
            raise ValueError(f"Places that are kept must increase in [0, {num_places}). Received: others.")
        num_kept = num_places if kept is None else len(kept)
        if len(ids) != num_kept or len(ids) != self._num_images:
            raise ValueError(f"{self.folder}: index.json promises {self._num_images} images. "
                             f"Received: {len(ids)} ids, {num_kept} images.")
        return ids, kept

    def read_groups(self) -> np.ndarray | None:
        """The group of each place, int64 [places]; None: all differ.

        Raises:
            ValueError: if these are no numbers of groups.
        """
        if "groups" not in self._arrays:
            return None
        groups = self.read_array("groups")
        if groups.dtype != np.int64 or groups.ndim != 1 or groups.min(initial=0) < 0 or not (
                np.bincount(np.minimum(groups, len(groups)))).all():
            raise ValueError(f"{self._arrays['groups']} must number groups from 0 without a gap. "
                             f"Received: {groups.dtype} {groups.shape}.")
        return groups

    def _compare(self, path: str, digest: str, name: str) -> None:
        if digest != self._files[name]["sha256"]:
            raise ValueError(f"{path} must have the SHA-256 that index.json says: it is damaged, build the "
                             f"index again. Received: {digest[:16]}....")
