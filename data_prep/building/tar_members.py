"""Where images lie inside tar files, so that they are read from there and never unpacked."""

from __future__ import annotations

import functools
import os
import posixpath
import tarfile
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from data_prep.stage import files, jobs

_END_BYTES = 1024  # zeros that end a tar file; POSIX.1, pax interchange format


class TarMembers(NamedTuple):
    """The files in a set of tar files."""

    tars: list[str]  # paths
    names: pd.Index  # [n], unique; path inside its tar file
    tar_of: np.ndarray  # int32 [n]; place in `tars`
    offsets: np.ndarray  # int64 [n]; bytes
    sizes: np.ndarray  # int64 [n]; bytes

    @property
    def mean_bytes(self) -> float:
        """Mean size of a file."""
        return float(self.sizes.mean())

    def find(self, path: str) -> dict[str, Any]:
        """`tar`, `offset` and `size` of a file, or `tar` empty if no tar file has it."""
        try:
            row = self.names.get_loc(path)
        except KeyError:
            return {"tar": ""}
        return {"tar": self.tars[self.tar_of[row]], "offset": int(self.offsets[row]),
                "size": int(self.sizes[row])}


def find_members(pattern: str, results_dir: str, job: jobs.JobConfig) -> TarMembers:
    """Reads the headers of all tar files of a glob pattern; nothing is unpacked.

    Args:
        pattern: glob of tar files that are not compressed.
        results_dir: a folder for what each worker finds.
        job: where to run.

    Raises:
        FileNotFoundError: if no file matches.
        ValueError: if a file is no tar file, is truncated or compressed, or two files hold one name.
    """
    tars = files.matching(pattern, inside="")
    if not tars:
        raise FileNotFoundError(f"`from_tars` must match a tar file. Received: from_tars={pattern}.")
    places = [f"{place:05d}" for place in range(len(tars))]
    found = jobs.run("Reading tar headers", functools.partial(_list_members, tars), places, results_dir, job)
    names, tar_of, offsets, sizes = [], [], [], []
    for place, entries in enumerate(found[name] for name in places):
        names += entries["names"]
        tar_of.append(np.full(len(entries["names"]), place, np.int32))
        offsets += entries["offsets"]
        sizes += entries["sizes"]
    if not names:
        raise ValueError(f"The tar files must hold images. Received: none in {len(tars)} files, the first is "
                         f"{tars[0]}.")
    index = pd.Index(names, dtype=object)
    if not index.is_unique:
        twice = index[index.duplicated()][0]
        raise ValueError("A file must be in one tar file only. Received: "
                         f"{twice!r} twice in the files of from_tars={pattern}.")
    return TarMembers(tars, index, np.concatenate(tar_of), np.array(offsets, np.int64),
                      np.array(sizes, np.int64))


def _list_members(tars: list[str], place: str) -> dict[str, list]:
    path = tars[int(place)]
    names, offsets, sizes = [], [], []
    try:
        with tarfile.open(path, "r:") as archive:
            for member in archive:
                if not member.isfile():
                    continue
                names.append(posixpath.normpath(member.name))
                offsets.append(member.offset_data)
                sizes.append(member.size)
    except tarfile.TarError as error:
        raise ValueError(f"{path} must be a whole tar file, not compressed. Received: {error}.") from error
    with open(path, "rb") as file:  # tarfile takes a file that was cut short for one that ends there
        file.seek(-min(_END_BYTES, os.path.getsize(path)), os.SEEK_END)
        if file.read() != bytes(_END_BYTES):
            raise ValueError(f"{path} must be a whole tar file, not compressed. Received: one whose last "
                             f"{_END_BYTES} bytes are not the end of an archive.")
    return {"names": names, "offsets": offsets, "sizes": sizes}
