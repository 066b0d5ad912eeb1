"""Feature shards written anew: local descriptors in another type, global descriptors whitened.

Ids, keypoints, scores and notes stay, so rewritten shards are those that an extraction with these settings
would have made, but for rounding twice. Where local descriptors go to a finer type than they came in,
`recoded_from` in `config` says so, and no extraction takes the shard for its own.
"""

from __future__ import annotations

import json
import os
from typing import Any

import h5py
import numpy as np

from data_prep.stage import hdf5_files, lock, progress
from delg.features import local_codes, shards
from delg.features.reader import find_feature_shards
from delg.features.whitening import Whitening, read_whitening
from delg.settings.extraction import LOCAL_DTYPES

_ROWS = 2**16  # local descriptors recoded at once
_COPIED = ("offsets", "image_sizes", "keypoints_yx", "scores", "scales")


def rewrite_features(features: str, output_dir: str, local_dtype: str = "", whitening: str = "") -> list[str]:
    """Writes shards of the same names to another folder; those that are there and finished are kept.

    Args:
        features: glob or folder of feature shards.
        output_dir: made where it does not exist.
        local_dtype: of stored local descriptors; empty: as they are.
        whitening: file of delg.fit_whitening, to whiten global descriptors by; empty: as they are.

    Returns:
        Paths of the rewritten shards, in the order of the others.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if `output_dir` is where the features are or holds others of these names, or the
            whitening does not fit them.
        OSError: if another process writes one of these shards.
    """
    sources = find_feature_shards(features)
    os.makedirs(output_dir, exist_ok=True)
    outputs = [os.path.join(output_dir, os.path.basename(source)) for source in sources]
    with lock.alone_at(outputs):
        for source, output in progress.track(list(zip(sources, outputs)), "Rewriting", unit="shards"):
            if os.path.exists(output) and os.path.samefile(source, output):
                raise ValueError("`output_dir` must be another folder than that of the features. "
                                 f"Received: {output_dir!r}, which holds {source}.")
            _rewrite(source, output, local_dtype, whitening)
    return outputs


def _rewrite(source: str, output: str, local_dtype: str, whitening: str) -> None:
    with shards.open_checked(source) as file:
        config = json.loads(file.attrs["config"])
        learnt = _read_whitening(source, whitening, config, file) if whitening else None
        if learnt is not None:
            config["whitening"] = learnt.settings
        stored_as = _local_dtype(file)
        local_dtype = local_dtype or stored_as
        coarsest = max(stored_as, config.pop("recoded_from", stored_as), key=LOCAL_DTYPES.index)
        if LOCAL_DTYPES.index(coarsest) > LOCAL_DTYPES.index(local_dtype):
            config["recoded_from"] = coarsest
        config["local_dtype"] = local_dtype
        notes = json.loads(file.attrs.get("notes", "{}"))
        if os.path.exists(output):
            attributes = shards.read_shard_attributes(output)
            if attributes != (config, notes) or not _same_images(file, output):
                raise ValueError(f"{output} must not hold features of other settings or images. Remove it, "
                                 "or choose another `output_dir`.")
            return
        with hdf5_files.writing(output) as writer:
            writer.write_texts("ids", list(file["ids"].asstr()[:]))
            for name in _COPIED:
                writer.write_array(name, file[name][:])
            descriptors = file["global_descriptors"][:]
            writer.write_array("global_descriptors", learnt.apply(descriptors) if learnt else descriptors)
            _copy_local(file, writer, local_dtype)
            writer.describe(config=json.dumps(config, sort_keys=True), notes=json.dumps(notes),
                            format=shards.FORMAT)


def _same_images(file: h5py.File, path: str) -> bool:
    with shards.open_checked(path) as other:
        return all(np.array_equal(file[name][:], other[name][:]) for name in ("ids", "offsets"))


def _read_whitening(source: str, path: str, config: dict[str, Any], file: h5py.File) -> Whitening:
    if "whitening" in config:
        raise ValueError(f"`features` must not be whitened. Received: {source}, whitened by "
                         f"{config['whitening']}.")
    return read_whitening(path, config.get("fingerprint", ""), file["global_descriptors"].shape[1])


def _local_dtype(file: h5py.File) -> str:
    stored = file["descriptors"].dtype
    return next((name for name in LOCAL_DTYPES if local_codes.stored_dtype(name) == stored), "float32")


def _copy_local(file: h5py.File, writer: hdf5_files.Hdf5Writer, local_dtype: str) -> None:
    """Copies local descriptors: bit by bit where they are of that type already."""
    stored, dim = file["descriptors"], shards.local_dimension(file)
    copied = shards.create_descriptors(writer, dim, local_dtype)
    copied.resize(len(stored), axis=0)
    for first in range(0, len(stored), _ROWS):
        rows = stored[first:first + _ROWS]
        copied[first:first + _ROWS] = rows if rows.dtype == copied.dtype else local_codes.encode(
            local_codes.decode(rows, dim), local_dtype)
