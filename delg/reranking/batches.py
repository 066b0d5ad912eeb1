"""Batches of pairs for a re-ranker, read from feature shards; the same ones for the same seed and step."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from data_prep.records.record_order import generator
from delg.features.reader import FeatureReader
from delg.reranking import pair_inputs
from delg.reranking.training_pairs import TrainingPairs
from delg.settings.reranking import TrainRerankerConfig

_READS_AHEAD = 2  # batches; chosen
_CHANGES = 3  # what a generator is for, beside those of `training_pairs`
_LARGEST_SHIFT, _LARGEST_ZOOM = 0.2, 0.5  # halves of a longer side, powers of 2; chosen


class PairBatches:
    """Reads pairs as inputs and targets of the model.

    Args:
        config: of the training.
        images: reader of `config.features`.
        pairs: which pairs.
    """

    def __init__(self, config: TrainRerankerConfig, images: FeatureReader, pairs: TrainingPairs):
        self._config, self._images, self._pairs = config, images, pairs
        self.specs = pair_inputs.input_specs(config.num_features, images.local_dim)

    def training(self, start_step: int, batch_size: int, worker: int, _num_workers: int) -> tf.data.Dataset:
        """Endless batches from a step on, features changed; arguments as of `strategies.shared_batches`."""
        def read(step: np.ndarray) -> list[np.ndarray]:
            rows, matches = self._pairs.draw(int(step), batch_size, worker)
            random = generator(self._config.seed, int(step), worker, _CHANGES)
            return self._arrays(rows, matches, random)

        return self._dataset(tf.data.Dataset.counter(start_step), read)

    def heldout(self) -> tf.data.Dataset:
        """The pairs of held-out landmarks, once, unchanged."""
        batches = list(self._pairs.heldout(self._config.batch_size))
        return self._dataset(tf.data.Dataset.range(len(batches)),
                             lambda step: self._arrays(*batches[int(step)], None))

    def _dataset(self, steps: tf.data.Dataset, read: Callable) -> tf.data.Dataset:
        specs = [*self.specs.values(), tf.TensorSpec([None], tf.float32)]

        def to_batch(step: tf.Tensor):
            found = tf.numpy_function(read, [step], [spec.dtype for spec in specs])
            *inputs, matches = (tf.ensure_shape(value, spec.shape) for value, spec in zip(found, specs))
            return dict(zip(self.specs, inputs)), {"logit": matches}

        options = tf.data.Options()
        options.deterministic = True
        options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
        return steps.map(to_batch, num_parallel_calls=_READS_AHEAD).with_options(options).prefetch(
            tf.data.AUTOTUNE)

    def _arrays(self, rows: np.ndarray, matches: np.ndarray,
                random: np.random.Generator | None) -> list[np.ndarray]:
        sides: list[list] = [[], []]
        for pair in rows:
            mirrored = random is not None and random.random() < 0.5  # both images of a pair or none
            for side, row in zip(sides, pair):
                local = self._images.local_features(int(row))
                places = pair_inputs.image_places(local, self._images.image_sizes[row])
                kept = slice(None)
                if random is not None:
                    kept, places = self._changed(places, mirrored, random)
                side.append(pair_inputs.padded(local.descriptors[kept], places[kept],
                                               self._config.num_features))
        inputs = {**pair_inputs.side_inputs(sides[0], "query"), **pair_inputs.side_inputs(sides[1], "index")}
        return [*(inputs[name] for name in self.specs), matches]

    def _changed(self, places: np.ndarray, mirrored: bool,
                 random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Which features are kept, and the places of all as another frame would give them."""
        share = random.uniform(0, self._config.feature_dropout)
        kept = np.flatnonzero(random.random(len(places)) >= share)
        zoom, shift = random.uniform(-_LARGEST_ZOOM, _LARGEST_ZOOM), random.uniform(
            -_LARGEST_SHIFT, _LARGEST_SHIFT, 2)
        moved = places * np.float32([2**zoom, 2**zoom * (-1 if mirrored else 1), 1])
        moved += np.float32([*shift, zoom])
        return kept, moved.astype(np.float32)
