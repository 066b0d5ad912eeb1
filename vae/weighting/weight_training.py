"""The supervised stage: channel weights over a frozen encoder, learnt from triplets of places."""

from __future__ import annotations

import dataclasses
import os

import keras
import numpy as np
import tensorflow as tf

from data_prep.stage import ending
from data_prep.stage.settings import require
from delg.fitting import callbacks, resuming
from delg.fitting.backups import Backups
from delg.networks import model_files
from delg.vectors.unit import unit_vectors
from vae.data.photographs import Photographs, read_photographs
from vae.latents.latent_features import layer_features
from vae.latents.latents import LatentEncoder
from vae.weighting import channel_weights
from vae.weighting.config import DISTANCES, WeightTrainConfig
from vae.weighting.distances import Distance
from vae.weighting.triplets import TripletSampler
from vae.weighting.weight_files import write_channel_weights

WEIGHTS_FILE = "channel_weights.json"
_VALIDATION_SEED = 1_000_003  # of the fixed triplets that validation looks at; chosen


def train_channel_weights(config: WeightTrainConfig,
                          encoder: LatentEncoder | None = None) -> dict[str, np.ndarray]:
    """Learns the weights of each layer, or goes on with the training that `model_dir` holds.

    Writes `config.json`, `history.csv` (one row per epoch), `backup/`, and last `channel_weights.json`. A
    killed run that is started again ends where an uninterrupted one ends.

    Args:
        config: the settings.
        encoder: None: that of `config.vae_dir`.

    Returns:
        Layer name to weights, float32 [C], the latent last.

    Raises:
        FileNotFoundError: no shards, or no model.
        ValueError: more layers than the encoder has, no triplets, or settings other than those of the run
            that `model_dir` holds.
    """
    encoder = encoder or LatentEncoder(config.vae_dir)
    require(config.num_layers <= len(encoder.layer_names),
            f"`num_layers` must be at most {len(encoder.layer_names)}, the layers of the shared encoder.",
            num_layers=config.num_layers)
    settings = dataclasses.asdict(config)
    earlier = resuming.earlier_contents(config)
    if earlier is not None:
        resuming.refuse_other_settings(config.model_dir, earlier["train"], settings, (
            "train_pattern", "vae_dir", "model_dir", "validation_pattern"))
    layers = encoder.layer_names[-config.num_layers:]
    with resuming.training_alone(config.model_dir):
        model_files.write_config(config.model_dir, {"model": {"layers": list(layers)}, "train": settings})
        triplets = _Triplets(config, encoder, layers, config.train_pattern, config.seed)
        model = _fit(config, triplets, encoder)
        weights = {name: channel_weights.shrunk(
            model.get_layer(f"weights_{name}").weights_of_channels().numpy(), config.shrinkage)
            for name in layers}
        write_channel_weights(os.path.join(config.model_dir, WEIGHTS_FILE), weights, settings)
    return weights


class _Triplets:
    """Photographs of some shards as triplets of features."""

    def __init__(self, config: WeightTrainConfig, encoder: LatentEncoder, layers, pattern: str, seed: int):
        photographs, distance = read_photographs(pattern, encoder.image_size), DISTANCES[config.distance]
        self.features = layer_features(encoder, photographs, layers, distance.features)
        self.sampler = TripletSampler(photographs, feature_similarities(self.features[layers[-1]]),
                                      config.num_hard, seed)
        self.units = {name: _mean_distance(features, photographs, distance)
                      for name, features in self.features.items()}

    def batches(self, batch_size: int, first_step: int) -> tf.data.Dataset:
        """Endless batches from a step on: features by layer, float16 [B, 3, P, C], and targets of zeros."""
        shapes = {name: (batch_size, 3, *features.shape[1:]) for name, features in self.features.items()}

        def draw(step: np.ndarray) -> list[np.ndarray]:
            rows = self.sampler.draw(int(step), batch_size)
            return [features[rows] for features in self.features.values()]

        def to_batch(step: tf.Tensor):
            drawn = tf.numpy_function(draw, [step], [tf.float16] * len(shapes))
            drawn = drawn if isinstance(drawn, (list, tuple)) else [drawn]
            return ({name: tf.ensure_shape(values, shape)
                     for values, (name, shape) in zip(drawn, shapes.items())}, tf.zeros([batch_size, 2]))

        return tf.data.Dataset.counter(first_step).map(to_batch).prefetch(2)


def feature_similarities(features: np.ndarray) -> np.ndarray:
    """Cosines of all features [N, P, C], float32 [N, N]."""
    flat = unit_vectors(features.reshape(len(features), -1).astype(np.float32))
    return flat @ flat.T


def _mean_distance(features: np.ndarray, photographs: Photographs, distance: Distance,
                   count: int = 512) -> float:
    """Of random images of different places, before weighting."""
    pairs = np.random.default_rng(0).integers(len(photographs), size=(4 * count, 2))
    pairs = pairs[photographs.places[pairs[:, 0]] != photographs.places[pairs[:, 1]]][:count]
    found = [distance.between(*(features[rows].astype(np.float32) for rows in part.T)).numpy()
             for part in np.array_split(pairs, max(1, len(pairs) // 64))]
    return float(np.concatenate(found).mean())


def _fit(config: WeightTrainConfig, triplets: _Triplets, encoder: LatentEncoder) -> keras.Model:
    keras.utils.set_random_seed(config.seed)
    shapes = {name: features.shape[1:] for name, features in triplets.features.items()}
    model = channel_weights.build_weighting(shapes, config.distance, triplets.units)
    model.compile(optimizer=keras.optimizers.Adam(config.learning_rate, jit_compile=False),
                  loss=channel_weights.TripletHinge(config.margin),
                  metrics=[channel_weights.triplet_accuracy], jit_compile=False)
    model.optimizer.build(model.trainable_variables)
    backups = Backups(model, model.optimizer, config.model_dir)
    backups.restore()
    validation = None
    if config.validation_pattern:
        batch_size = min(config.batch_size, config.num_validation)
        seen = _Triplets(config, encoder, list(triplets.features), config.validation_pattern,
                         _VALIDATION_SEED)
        validation = seen.batches(batch_size, 0).take(config.num_validation // batch_size)
    path = model_files.weight_path(config.model_dir, "last")
    guard = callbacks.StopOnBadLoss(config.learning_rate)
    with ending.heeded() as heeded:
        events = [guard, callbacks.HistoryTable(config.model_dir),
                  callbacks.LastWeights(lambda _: model_files.save_weights(model, path)),
                  callbacks.Backup(backups, heeded, guard)]
        try:
            resuming.fit_to_last_step(model, config, lambda step: triplets.batches(config.batch_size, step),
                                      lambda: events, validation)
        finally:
            backups.wait()
        heeded.release()
    return model
