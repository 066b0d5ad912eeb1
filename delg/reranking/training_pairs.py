"""Pairs of images that a re-ranker is trained on: of one landmark, and of others that look like it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from data_prep.records import record_labels
from data_prep.records.record_order import generator
from delg.features.reader import FeatureReader
from delg.index.building import load_index
from delg.settings.kinds import GLOBAL_DESCRIPTORS
from delg.settings.reranking import TrainRerankerConfig

_DRAWS, _HELDOUT, _HELDOUT_DRAWS = 0, 1, 2  # what a generator is for


class TrainingPairs:
    """Which images make pairs. Images without landmark or without local features are left out.

    Args:
        config: where features, landmarks and index are.
        images: reader of `config.features`, open as long as pairs are drawn.

    Attributes:
        rows: int64, [n]: in the features, of the images used.
        landmarks: int64, [n].

    Raises:
        FileNotFoundError: there are no shards, or no index.
        ValueError: features, shards and index are not of the same images, or no landmark has two of them.
    """

    def __init__(self, config: TrainRerankerConfig, images: FeatureReader):
        landmark_of = dict(zip(*record_labels.read_landmarks(config.train_pattern)))
        self.rows = np.array([row for row, image_id in enumerate(images.ids)
                              if image_id in landmark_of and images.num_local_features[row]], np.int64)
        names, self.landmarks, counts = np.unique(
            [str(landmark_of[images.ids[row]]) for row in self.rows], return_inverse=True, return_counts=True)
        self._of_landmark = np.split(np.argsort(self.landmarks, kind="stable"), np.cumsum(counts)[:-1])
        self._is_heldout = np.zeros(len(names), bool)
        order = generator(config.seed, _HELDOUT).permutation(len(names))
        self._is_heldout[order[:round(config.heldout_fraction * len(names))]] = True
        self._drawn = {heldout: np.flatnonzero((counts > 1) & (self._is_heldout == heldout))
                       for heldout in (False, True)}
        num_heldout = np.count_nonzero(self._is_heldout)
        if not len(self._drawn[False]) or len(names) - num_heldout < 2:
            raise ValueError("`features` and `train_pattern` must have two landmarks to train on, one of "
                             f"them with two images. Received: {config.features!r}, "
                             f"{config.train_pattern!r}: {len(self.rows)} images of {len(names)} landmarks, "
                             f"of which {num_heldout} are held out.")
        self._config, self._images, self._index = config, images, load_index(config.index_dir)
        self._places = self._places_in_index()
        self._depth = min(len(self._index.ids), 2 * config.num_hard + int(counts.max()))

    def _places_in_index(self) -> np.ndarray:
        """int64, [N]: which image used each of the index is; -1: none."""
        place_of = {self._images.ids[row]: place for place, row in enumerate(self.rows)}
        places = np.array([place_of.get(image_id, -1) for image_id in self._index.ids], np.int64)
        num_used = np.count_nonzero(places >= 0)
        if self._index.fingerprint != self._images.config.get("fingerprint", "") or not num_used:
            raise ValueError("`index_dir` must be of the model and images of `features`. Received: "
                             f"{self._config.index_dir!r} of model {self._index.fingerprint!r}, with "
                             f"{num_used} of its images in {self._config.features!r}.")
        return places

    def negatives(self, images: Sequence[int]) -> list[np.ndarray]:
        """Of each of some images used the `num_hard` nearest of other landmarks, nearest first, or as many as
        the index finds; of held-out landmarks only for images of such.
        """
        if not len(images):
            return []
        rows = self.rows[images]
        queries = (self._images.global_descriptors[rows] if self._index.ranked_by == GLOBAL_DESCRIPTORS
                   else [self._images.local_features(row).descriptors for row in rows])
        found = []
        for image, ranked in zip(images, self._index.search(queries, self._depth)[0]):
            others = self._places[ranked[ranked >= 0]]
            others = others[others >= 0]
            landmark, of_others = self.landmarks[image], self.landmarks[others]
            allowed = (of_others != landmark) & (self._is_heldout[landmark] | ~self._is_heldout[of_others])
            found.append(others[allowed][:self._config.num_hard])
        return found

    @property
    def has_heldout(self) -> bool:
        """Whether there are pairs of held-out landmarks."""
        return len(self._drawn[True]) > 0

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
        drawn = [random.choice(self._of_landmark[landmark], 2, replace=False)
                 for landmark in random.choice(self._drawn[heldout], batch_size)]
        pairs = np.array(drawn, np.int64)
        matches = np.arange(batch_size) < batch_size / 2
        anchors = pairs[~matches, 0]
        pairs[~matches, 1] = [random.choice(others) if len(others) else self._any_other(random, anchor)
                              for anchor, others in zip(anchors, self.negatives(anchors))]
        return self.rows[pairs], matches.astype(np.float32)

    def _any_other(self, random: np.random.Generator, anchor: int) -> int:
        """An image of another landmark, where the index finds none."""
        landmark = self.landmarks[anchor]
        allowed = self._is_heldout[landmark] | ~self._is_heldout
        allowed[landmark] = False
        return random.choice(self._of_landmark[random.choice(np.flatnonzero(allowed))])
