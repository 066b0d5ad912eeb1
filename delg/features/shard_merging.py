"""Images of some feature shards as one shard, their features bit by bit as they were."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from data_prep.stage import hdf5_files
from delg.features import shards

_PER_FEATURE = ("keypoints_yx", "descriptors", "scores", "scales")


def merge_shards(chosen: Mapping[str, Mapping[str, str]], output: str, notes: dict[str, Any]) -> None:
    """Writes a shard of images of others, whole or not at all.

    Args:
        chosen: path of a shard -> ids that its images get -> ids they have, of one shard at least; the
            settings of all shards are the same.
        output: path of the new shard.
        notes: of the new shard.

    Raises:
        ValueError: if a shard is damaged.
    """
    with contextlib.ExitStack() as stack:
        sources = [stack.enter_context(shards.open_checked(path)) for path in chosen]
        writer = stack.enter_context(hdf5_files.writing(output))
        rows = [_rows_of(source, ids.values()) for source, ids in zip(sources, chosen.values())]
        for name in ("global_descriptors", "image_sizes"):
            writer.write_array(name, np.concatenate([source[name][:][some]
                                                     for source, some in zip(sources, rows)]))
        copied = {name: writer.create_rows(name, sources[0][name].shape[1:], sources[0][name].dtype)
                  for name in _PER_FEATURE}
        copied["descriptors"].attrs["dimension"] = shards.local_dimension(sources[0])
        offsets = [0]
        for source, path, some in zip(sources, chosen, rows):
            with hdf5_files.refusing(path, shards.KIND):
                bounds = source["offsets"][:]
                for row in some:
                    start, end = map(int, bounds[row:row + 2])
                    for name, array in copied.items():
                        array.resize(offsets[-1] + end - start, axis=0)
                        array[offsets[-1]:] = source[name][start:end]
                    offsets.append(offsets[-1] + end - start)
            writer.check()
        writer.write_texts("ids", [image_id for ids in chosen.values() for image_id in ids])
        writer.write_array("offsets", np.array(offsets, np.int64))
        writer.describe(config=sources[0].attrs["config"].decode(), notes=json.dumps(notes),
                        format=shards.FORMAT)


def _rows_of(source: Any, ids: Iterable[str]) -> np.ndarray:
    row_of = {image_id: row for row, image_id in enumerate(source["ids"].asstr()[:])}
    return np.array([row_of[image_id] for image_id in ids], np.int64)
