"""Reader of a set of feature shards as one: global descriptors in memory, local features on request.

What one shard holds is written down in `shards`; here a set of shards is found and read as one.
"""

from __future__ import annotations

import bisect
import functools
import json
import os
import re

import numpy as np

from data_prep.stage import files, hdf5_files
from data_prep.stage.lazy_module import LazyModule
from data_prep.stage.repeats import first_repeated
from delg.features import local_codes, shards
from delg.features.shards import ImageFeatures, LocalFeatures

h5py = LazyModule("h5py")

_LOCAL = ("keypoints_yx", "descriptors", "scores", "scales")
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


class FeatureReader:
    """Many shards as one set. Global descriptors are in memory, local features are read when asked for.

    Args:
        pattern: glob of shards, or their folder.

    Attributes:
        ids: list of N strings.
        global_descriptors: float32, [N, D], unit norm.
        image_sizes: int32, [N, 2], height and width of the original images.
        num_local_features: int64, [N], local features each image has.
        local_dim: dimensions of their descriptors; 0: there are none.
        config: settings of the extraction and the model's `fingerprint`.
        orientations: id -> EXIF orientation of the file, of images that were turned upright.

    Raises:
        FileNotFoundError: if no shard matches, or a numbered set has holes.
        ValueError: if a shard is broken, shards were made by different settings or models, or an id
            occurs twice.
    """

    def __init__(self, pattern: str):
        self.paths = find_feature_shards(pattern)
        self._files: list[h5py.File] = []
        try:
            self._read_images()
        except (ValueError, OSError):
            self.close()
            raise

    def _read_images(self) -> None:
        self.ids: list[str] = []
        self.orientations: dict[str, int] = {}
        global_descriptors, image_sizes, counts = [], [], []
        self._starts = []  # row of the first image of each shard
        self._offsets = []
        self._local: list[tuple[list[h5py.Dataset], int]] = []  # keypoints, descriptors, scores, scales
        for path in self.paths:
            with hdf5_files.refusing(path, shards.KIND):
                file = shards.open_checked(path)
                self._files.append(file)
                config = json.loads(file.attrs["config"])
                if path == self.paths[0]:
                    self.config = config
                elif different := shards.differing_settings(config, self.config):
                    raise ValueError(f"Feature shards must come from one extraction. {path} and "
                                     f"{self.paths[0]} differ in: {', '.join(different)}.")
                self.orientations.update(shards.orientations_of(path, file))
                self._starts.append(len(self.ids))
                self.ids.extend(file["ids"].asstr()[:])
                global_descriptors.append(file["global_descriptors"][:])
                image_sizes.append(file["image_sizes"][:])
                self._offsets.append(file["offsets"][:])
                counts.append(np.diff(self._offsets[-1]))
                # Held open: looking a dataset up by its name takes longer than reading the rows of an image.
                self._local.append(([file[name] for name in _LOCAL], shards.local_dimension(file)))
        self.global_descriptors = np.concatenate(global_descriptors)
        self.image_sizes = np.concatenate(image_sizes)
        self.num_local_features = np.concatenate(counts)
        self.local_dim: int = self._local[0][1]
        twice = first_repeated(self.ids)
        if twice is not None:
            raise ValueError(f"Image ids must be unique. {twice} occurs more than once in the shards from "
                             f"{self.paths[0]} on.")

    def __len__(self) -> int:
        return len(self.ids)

    @functools.cached_property
    def row_of(self) -> dict[str, int]:
        """Id -> row."""
        return {image_id: row for row, image_id in enumerate(self.ids)}

    def local_features(self, row: int) -> LocalFeatures:
        """Local features of image `row`, best first; unit float32 descriptors whatever the file holds."""
        if not 0 <= row < len(self.ids):
            raise IndexError(f"`row` must be in [0, {len(self.ids)}). Received: row={row}.")
        shard = bisect.bisect_right(self._starts, row) - 1
        local_row = row - self._starts[shard]
        start, end = (int(offset) for offset in self._offsets[shard][local_row : local_row + 2])
        arrays, dimension = self._local[shard]
        with hdf5_files.refusing(self.paths[shard], shards.KIND):
            keypoints_yx, descriptors, scores, scales = (array[start:end] for array in arrays)
            return LocalFeatures(keypoints_yx, local_codes.decode(descriptors, dimension), scores, scales)

    def image(self, row: int) -> ImageFeatures:
        """All features of image `row`."""
        height, width = map(int, self.image_sizes[row])
        return ImageFeatures(self.global_descriptors[row], self.local_features(row), (height, width))

    def close(self) -> None:
        """Closes the files; local features can no longer be read."""
        for file in self._files:
            file.close()
        self._files, self._local = [], []

    def __enter__(self) -> FeatureReader:
        return self

    def __exit__(self, error_type, error, traceback) -> None:
        self.close()
