"""Pairs of images that a re-ranker is trained on: of one landmark, and of others that look like it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from data_prep.records import record_labels
from data_prep.records.record_order import generator
from delg.features.reader import FeatureReader
from delg.index.building import load_index
from delg.settings.kinds import GLOBAL_DESCRIPTORS
from delg.settings.reranking import TrainRerankerConfig

_ASKED_AT_ONCE = 256  # queries of the index
_DRAWS, _HELDOUT, _HELDOUT_DRAWS = 0, 1, 2  # what a generator is for


class TrainingPairs:
    """Which images make pairs. Images without landmark or without local features are left out.

    Args:
        config: where features, landmarks and index are.
        images: reader of `config.features`.

    Attributes:
        rows: int64, [n]: in the features, of the images used.
        landmarks: int64, [n].
        negatives: int64, [n, num_hard]: of each image the nearest of other landmarks, nearest first; -1:
            there are no more.

    Raises:
        FileNotFoundError: there are no shards, or no index.
        ValueError: features, shards and index are not of the same images, or no landmark has two of them.
    """

    def __init__(self, config: TrainRerankerConfig, images: FeatureReader):
        ids, names = record_labels.read_landmarks(config.train_pattern)
        landmark_of = dict(zip(ids, names))
        self.rows = np.array([row for row, image_id in enumerate(images.ids)
                              if image_id in landmark_of and images.num_local_features[row]], np.int64)
        names, self.landmarks = np.unique([str(landmark_of[images.ids[row]]) for row in self.rows],
                                          return_inverse=True)
        is_heldout = np.zeros(len(names), bool)
        order = generator(config.seed, _HELDOUT).permutation(len(names))
        is_heldout[order[:round(config.heldout_fraction * len(names))]] = True
        self._anchors = {heldout: self._with_positives(is_heldout[self.landmarks] == heldout)
                         for heldout in (False, True)}
        if not len(self._anchors[False]) or len(names) - np.count_nonzero(is_heldout) < 2:
            raise ValueError("`features` and `train_pattern` must have two landmarks to train on, one of "
                             f"them with two images. Received: {config.features!r}, "
                             f"{config.train_pattern!r}: {len(self.rows)} images of {len(names)} landmarks, "
                             f"of which {np.count_nonzero(is_heldout)} are held out.")
        self._config, self._is_heldout = config, is_heldout
        self.negatives = self._nearest_others(images)

    def _with_positives(self, used: np.ndarray) -> np.ndarray:
        """Images, of those used, whose landmark has another one."""
        counts = np.bincount(self.landmarks)
        return np.flatnonzero(used & (counts[self.landmarks] > 1))

    def _nearest_others(self, images: FeatureReader) -> np.ndarray:
        """`negatives`: of images to train on among these, of held-out ones among all."""
        config, index = self._config, load_index(self._config.index_dir)
        place_of = {images.ids[row]: place for place, row in enumerate(self.rows)}
        place_in = np.array([place_of.get(image_id, -1) for image_id in index.ids], np.int64)
        if index.fingerprint != images.config.get("fingerprint", "") or not np.any(place_in >= 0):
            raise ValueError("`index_dir` must be of the model and images of `features`. Received: "
                             f"{config.index_dir!r} of model {index.fingerprint!r}, with "
                             f"{np.count_nonzero(place_in >= 0)} of its images in {config.features!r}.")
        largest = np.bincount(self.landmarks).max()
        depth = min(len(index.ids), 2 * config.num_hard + int(largest))
        found = np.full((len(self.rows), config.num_hard), -1, np.int64)
        for start in range(0, len(self.rows), _ASKED_AT_ONCE):
            places = range(start, min(start + _ASKED_AT_ONCE, len(self.rows)))
            rows = self.rows[places.start:places.stop]
            queries = (images.global_descriptors[rows] if index.ranked_by == GLOBAL_DESCRIPTORS
                       else [images.local_features(row).descriptors for row in rows])
            for place, ranked in zip(places, index.search(queries, depth)[0]):
                others = place_in[ranked[ranked >= 0]]
                others = others[others >= 0]
                allowed = self.landmarks[others] != self.landmarks[place]
                if not self._is_heldout[self.landmarks[place]]:
                    allowed &= ~self._is_heldout[self.landmarks[others]]
                others = others[allowed][:config.num_hard]
                found[place, :len(others)] = others
        return found

    @property
    def has_heldout(self) -> bool:
        """Whether there are pairs of held-out landmarks."""
        return len(self._anchors[True]) > 0

    def draw(self, step: int, batch_size: int, worker: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Rows in the features of a batch of pairs, int64 [B, 2], and whether they match, float32 [B].

        The first half match. Every landmark is as likely as another: a few have most images in large sets.
        """
        return self._draw(generator(self._config.seed, step, worker, _DRAWS), batch_size, heldout=False)

    def heldout(self, batch_size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The pairs of held-out landmarks, the same ones each time, in batches as of `draw`."""
        random = generator(self._config.seed, _HELDOUT_DRAWS)
        for start in range(0, self._config.num_heldout_pairs, batch_size):
            yield self._draw(random, min(batch_size, self._config.num_heldout_pairs - start), heldout=True)

    def _draw(self, random: np.random.Generator, batch_size: int,
              heldout: bool) -> tuple[np.ndarray, np.ndarray]:
        anchors = self._anchors[heldout]
        landmarks = random.choice(np.unique(self.landmarks[anchors]), batch_size)
        matches = np.arange(batch_size) < batch_size / 2
        pairs = np.array([self._pair(random, landmark, match) for landmark, match in zip(landmarks, matches)])
        return self.rows[pairs], matches.astype(np.float32)

    def _pair(self, random: np.random.Generator, landmark: int, match: bool) -> tuple[int, int]:
        own = np.flatnonzero(self.landmarks == landmark)
        if match:
            return tuple(random.choice(own, 2, replace=False))
        anchor = random.choice(own)
        others = self.negatives[anchor]
        others = others[others >= 0]
        if not len(others):
            others = np.flatnonzero((self.landmarks != landmark) & ~self._is_heldout[self.landmarks])
        return anchor, random.choice(others)
