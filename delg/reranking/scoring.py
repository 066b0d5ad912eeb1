"""Pairs of images scored by an exported re-ranker: how probable it is that both show one landmark."""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from delg.exports.export_config import read_export_config
from delg.features.reader import FeatureReader
from delg.reranking import pair_inputs
from delg.reranking.export import KIND

_PAIRS_AT_ONCE = 25  # bounds memory; chosen
_CACHED_IMAGES = 1024  # about 0.3 MB each


class PairScorer:
    """Scores images of two sets of features by an exported re-ranker.

    Args:
        saved_model: folder that delg.train_reranker has made.
        queries: features of the one set, images those of the other; open as long as this is used.
        images: see above.

    Attributes:
        fingerprint: SHA-256 of the weights.

    Raises:
        FileNotFoundError: there is no such SavedModel.
        ValueError: it is no re-ranker, or one for other features.
    """

    def __init__(self, saved_model: str, queries: FeatureReader, images: FeatureReader):
        config = read_export_config(saved_model)
        if not os.path.isfile(os.path.join(saved_model, "saved_model.pb")):
            raise FileNotFoundError("`reranker_model` must be the folder of a SavedModel, as "
                                    f"delg.train_reranker makes it. No saved_model.pb in: {saved_model}.")
        if config is None or config.get("kind") != KIND:
            raise ValueError("`reranker_model` must be made by delg.train_reranker. "
                             f"Received: {saved_model}, another SavedModel.")
        self.fingerprint: str = config["fingerprint"]
        self._num_features, wanted = config["model"]["num_features"], config["features_fingerprint"]
        for features in (queries, images):
            found = features.config.get("fingerprint", "")
            if wanted not in ("", found):
                raise ValueError("`reranker_model` must be for features of this model. Received: "
                                 f"{saved_model} for those of {wanted!r}, features of {found!r}.")
        self._module = tf.saved_model.load(saved_model)  # held: its variables live as long as it does
        self._run = self._module.signatures["serving_default"]
        self._queries = functools.partial(self._image, queries)
        self._images = functools.lru_cache(_CACHED_IMAGES)(functools.partial(self._image, images))

    def _image(self, features: FeatureReader, row: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        local = features.local_features(row)
        places = pair_inputs.image_places(local, features.image_sizes[row])
        return pair_inputs.padded(local.descriptors, places, self._num_features)

    def logits(self, query: int, rows: Sequence[int]) -> np.ndarray:
        """Logits of a query with images, float32 [v]; NaN where either has no local features.

        Args:
            query: row of the query.
            rows: int, [v], of the images.
        """
        first, found = self._queries(query), np.full(len(rows), np.nan, np.float32)
        if not first[2].any():
            return found
        others = [self._images(int(row)) for row in rows]
        usable = np.flatnonzero([mask.any() for _, _, mask in others])
        for start in range(0, len(usable), _PAIRS_AT_ONCE):
            places = usable[start:start + _PAIRS_AT_ONCE]
            inputs = {**pair_inputs.side_inputs([first] * len(places), "query"),
                      **pair_inputs.side_inputs([others[place] for place in places], "index")}
            tensors = {name: tf.constant(array) for name, array in inputs.items()}
            found[places] = self._run(**tensors)["logits"].numpy()
        return found
