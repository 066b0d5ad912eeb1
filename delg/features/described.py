"""Features in memory, read as those of shards are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from delg.features.shards import ImageFeatures, LocalFeatures


class DescribedImages:
    """Features of some images: what a search reads of a `FeatureReader`.

    Args:
        ids: of the images.
        features: of each.

    Attributes:
        ids: as given.
        global_descriptors: float32, [N, D], unit norm.
        image_sizes: int32, [N, 2], height and width, pixels.
    """

    def __init__(self, ids: Sequence[str], features: Sequence[ImageFeatures]):
        self.ids, self._features = list(ids), list(features)
        self.global_descriptors = np.stack([image.global_descriptor for image in features])
        self.image_sizes = np.array([image.image_size for image in features], np.int32)

    def __len__(self) -> int:
        return len(self.ids)

    def local_features(self, row: int) -> LocalFeatures:
        """Local features of image `row`."""
        return self._features[row].local

    def image(self, row: int) -> ImageFeatures:
        """All features of image `row`."""
        return self._features[row]
