"""Reader of a set of feature shards as one: ids and sizes in memory, descriptors on request.

What one shard holds is written down in `shards`; here a set of shards is found and read as one.
"""

from __future__ import annotations

import bisect
import functools
import json
import os
import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from data_prep.stage import files, hdf5_files
from data_prep.stage.lazy_module import LazyModule
from data_prep.stage.repeats import first_repeated
from delg.features import local_codes, shards
from delg.features.shards import ImageFeatures, LocalFeatures

h5py = LazyModule("h5py")

_LOCAL = ("keypoints_yx", "descriptors", "scores", "scales")
_BLOCK_ROWS = 2**14  # descriptors read at once; chosen
_MOST_OPEN = 256  # shards held open by a reader; chosen: systems commonly allow a process 1,024 files
_SHARD_NAME = re.compile(r"(?P<split>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.h5")


def find_feature_shards(pattern: str) -> list[str]:
    """Paths of the shards that match a glob, or lie in a folder, sorted.

    Raises:
        FileNotFoundError: if there are none, or a numbered set is not complete on disk.
    """
    paths = files.matching(pattern, "*.h5")
    if not paths:
        raise FileNotFoundError(f"No feature shards match {pattern}.")
    for folder, split, count in sorted({
            (os.path.dirname(path), match["split"], int(match["count"])) for path in paths
            if (match := _SHARD_NAME.fullmatch(os.path.basename(path)))}):
        expected = [os.path.join(folder, f"{split}-{i:05d}-of-{count:05d}.h5") for i in range(count)]
        missing = [path for path in expected if not os.path.exists(path)]
        if missing:
            raise FileNotFoundError(f"{len(missing)} of {count} feature shards are missing, the first is "
                                    f"{missing[0]}. Finish the extraction first.")
    return paths


def read_descriptors(pattern: str) -> tuple[list[str], np.ndarray]:
    """Ids and global descriptors, float32 [N, D] of unit norm, of feature shards; see `FeatureReader`."""
    with FeatureReader(pattern) as reader:
        return reader.ids, reader.global_descriptors


class _OpenShard(NamedTuple):
    """A file, and its arrays by name: looking one up takes longer than reading the rows of an image."""

    file: h5py.File
    arrays: dict[str, h5py.Dataset]


class FeatureReader:
    """Many shards as one set; of thousands of shards only some are open at once.

    Args:
        pattern: glob of shards, or their folder.

    Attributes:
        ids: list of N strings.
        image_sizes: int32, [N, 2], height and width of the original images.
        num_local_features: int64, [N], local features each image has.
        global_dim: D, dimensions of the global descriptors; 0: there are none.
        local_dim: dimensions of those of local features; 0: there are none.
        config: settings of the extraction and the model's `fingerprint`.
        orientations: id -> EXIF orientation of the file, of images that were turned upright.

    Raises:
        FileNotFoundError: if no shard matches, or a numbered set has holes.
        ValueError: if a shard is broken, shards were made by different settings or models, or an id
            occurs twice.
    """

    def __init__(self, pattern: str):
        self.paths = find_feature_shards(pattern)
        # It closes shards by forgetting them; so many stay open, whatever becomes of their names.
        self._opened = functools.lru_cache(_MOST_OPEN)(self._open)
        self.ids: list[str] = []
        self.orientations: dict[str, int] = {}
        self._starts: list[int] = []  # row of the first image of each shard
        self._offsets: list[np.ndarray] = []
        try:
            self.image_sizes = np.concatenate([self._read_shard(shard) for shard in range(len(self.paths))])
        except (ValueError, OSError):
            self.close()
            raise
        self.num_local_features = np.concatenate([np.diff(offsets) for offsets in self._offsets])
        twice = first_repeated(self.ids)
        if twice is not None:
            self.close()
            raise ValueError(f"Image ids must be unique. {twice} occurs more than once in the shards from "
                             f"{self.paths[0]} on.")

    def _read_shard(self, shard: int) -> np.ndarray:
        """Takes up what a shard says of its images; returns their sizes."""
        path = self.paths[shard]
        with hdf5_files.refusing(path, shards.KIND):
            file = self._opened(shard).file
            config = json.loads(file.attrs["config"])
            dimensions = file["global_descriptors"].shape[1], shards.local_dimension(file)
            if shard == 0:
                self.config = config
                self.global_dim, self.local_dim = dimensions
            different = shards.differing_settings(config, self.config) or (
                ["dimensions"] if dimensions != (self.global_dim, self.local_dim) else [])
            if different:
                raise ValueError(f"Feature shards must come from one extraction. {path} and "
                                 f"{self.paths[0]} differ in: {', '.join(different)}.")
            self.orientations.update(shards.orientations_of(path, file))
            self._starts.append(len(self.ids))
            self.ids.extend(file["ids"].asstr()[:])
            self._offsets.append(file["offsets"][:])
            return file["image_sizes"][:]

    def _open(self, shard: int) -> _OpenShard:
        file = shards.open_checked(self.paths[shard])
        return _OpenShard(file, {name: file[name] for name in ("global_descriptors", *_LOCAL)})

    def __len__(self) -> int:
        return len(self.ids)

    @functools.cached_property
    def row_of(self) -> dict[str, int]:
        """Id -> row."""
        return {image_id: row for row, image_id in enumerate(self.ids)}

    @functools.cached_property
    def global_descriptors(self) -> np.ndarray:
        """float32, [N, D], unit norm: all of them in memory from here on."""
        found = np.empty((len(self), self.global_dim), np.float32)
        for first, block in self.descriptor_blocks():
            found[first:first + len(block)] = block
        return found

    def descriptor_blocks(self) -> Iterator[tuple[int, np.ndarray]]:
        """All global descriptors without having them in memory: rows of the first image of some, and theirs,
        float32 [n, D]."""
        for shard, (first, offsets) in enumerate(zip(self._starts, self._offsets)):
            for start in range(0, len(offsets) - 1, _BLOCK_ROWS):
                with hdf5_files.refusing(self.paths[shard], shards.KIND):
                    block = self._opened(shard).arrays["global_descriptors"][start:start + _BLOCK_ROWS]
                yield first + start, block

    def global_descriptor(self, row: int) -> np.ndarray:
        """float32, [D], unit norm: of image `row`, read without those of the others."""
        shard, local_row = self._place(row)
        with hdf5_files.refusing(self.paths[shard], shards.KIND):
            return self._opened(shard).arrays["global_descriptors"][local_row]

    def local_features(self, row: int) -> LocalFeatures:
        """Local features of image `row`, best first; unit float32 descriptors whatever the file holds."""
        shard, local_row = self._place(row)
        start, end = (int(offset) for offset in self._offsets[shard][local_row : local_row + 2])
        with hdf5_files.refusing(self.paths[shard], shards.KIND):
            arrays = self._opened(shard).arrays
            keypoints_yx, codes, scores, scales = (arrays[name][start:end] for name in _LOCAL)
            return LocalFeatures(keypoints_yx, local_codes.decode(codes, self.local_dim), scores, scales)

    def _place(self, row: int) -> tuple[int, int]:
        """The shard of image `row`, and its row in it."""
        if not 0 <= row < len(self.ids):
            raise IndexError(f"`row` must be in [0, {len(self.ids)}). Received: row={row}.")
        shard = bisect.bisect_right(self._starts, row) - 1
        return shard, int(row) - self._starts[shard]

    def image(self, row: int) -> ImageFeatures:
        """All features of image `row`."""
        height, width = map(int, self.image_sizes[row])
        return ImageFeatures(self.global_descriptor(row), self.local_features(row), (height, width))

    def close(self) -> None:
        """Closes the files that are open; what is read later opens them again."""
        self._opened.cache_clear()

    def __enter__(self) -> FeatureReader:
        return self

    def __exit__(self, error_type, error, traceback) -> None:
        self.close()
