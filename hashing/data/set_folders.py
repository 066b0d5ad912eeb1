"""Folders of published fine-grained sets: unpacked already, or in their archives."""

from __future__ import annotations

import os

from data_prep.downloads import archives
from data_prep.downloads.public_sets import PUBLIC_SETS
from data_prep.sources.source import SOURCES
from data_prep.stage import files


def find_images_dir(dataset: str, data_dir: str, unpack_dir: str) -> str:
    """The folder that `data_prep.build_tfrecords` takes as `images_dir`; unpacks archives where it must.

    Args:
        dataset: cub or dogs.
        data_dir: the set's own folder, the folder that `data_prep.download` made, or one with the archives.
        unpack_dir: made if archives have to be unpacked; what is unpacked there already stays.

    Raises:
        FileNotFoundError: neither the set nor its archives are in `data_dir`.
        ValueError: an archive is damaged or must not be unpacked.
    """
    inside = PUBLIC_SETS[dataset].unpacked_images.split("{dir}/", 1)[1]  # unpacked[/folder of the set]
    for folder in (data_dir, os.path.join(data_dir, inside)):
        if all(os.path.exists(os.path.join(folder, mark)) for mark in SOURCES[dataset].marks):
            return folder
    names = [file.path for file in PUBLIC_SETS[dataset].files if file.path.endswith(archives.SUFFIXES)]
    packed = [path for name in names if os.path.exists(path := os.path.join(data_dir, name))]
    if not packed:
        raise FileNotFoundError(f"`data_dir` must hold the set {dataset} or its archives {', '.join(names)}. "
                                f"Received: {data_dir}.")
    archives.unpack({path: files.sha256_of(path) for path in packed}, unpack_dir)
    below = os.path.relpath(inside, PUBLIC_SETS[dataset].unpack_dir)
    return os.path.normpath(os.path.join(unpack_dir, below))
