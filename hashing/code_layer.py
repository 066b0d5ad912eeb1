"""Training of the code layer alone, on features that the backbone computes once.

A step on stored features takes a thousandth of a step through the backbone, so that a few hundred of them
cost little more than the features. On small sets they are all that is needed, on others a good start.
"""

from __future__ import annotations

import dataclasses

import keras
import numpy as np
import tensorflow as tf
from absl import logging

from data_prep import pipeline
from data_prep.class_batches import ClassBatches
from hashing import image_batches
from hashing.config import TrainConfig
from hashing.objective import compile_hashing, with_targets

_MAX_FEATURES = 200_000  # views of images that are stored, two gigabytes at most; chosen
_LAYERS = ("code_layer", "code_norm", "codes")


def train_code_layer(model: keras.Model, config: TrainConfig, num_classes: int) -> None:
    """Fits the layers behind the features of `model`, for `config.head_steps` steps; the rest stays as it is.

    Args:
        model: from `build_hashing`; changed in place.
        config: settings of the whole training.
        num_classes: C.
    """
    features, labels = stored_features(model, config)
    logging.info("Training the code layer on %d features.", len(features))
    head_config = dataclasses.replace(
        config, num_steps=config.head_steps, learning_rate=config.head_learning_rate, schedule="cosine",
        warmup_steps=0, backbone_learning_rate_factor=1.0)
    objective = compile_hashing(_head(model, features.shape[1]), head_config, num_classes)
    batches = with_targets(_batches(features, labels, config), config)
    objective.fit(batches, steps_per_epoch=config.head_steps, epochs=1, verbose=0)
    if not all(np.all(np.isfinite(weight)) for weight in objective.get_weights()):
        raise ValueError("The code layer must stay finite; lower `head_learning_rate`. "
                         f"Received: head_learning_rate={config.head_learning_rate}.")


def stored_features(model: keras.Model, config: TrainConfig) -> tuple[np.ndarray, np.ndarray]:
    """Features of `config.head_views` random views of each training image.

    Returns:
        features: float16, [N, D].
        labels: int32, [N].
    """
    part = keras.Model(model.input, model.output["features"])
    compute = tf.function(lambda images: tf.cast(part(images, training=False), tf.float16))
    num_images = config.head_views * pipeline.count_examples(config.train_pattern)
    num_batches = -(-min(num_images, _MAX_FEATURES) // config.batch_size)
    views = dataclasses.replace(config, images_per_class=0)
    found = [(compute(images).numpy(), labels.numpy())
             for images, labels in image_batches.training_batches(views).take(num_batches)]
    features, labels = zip(*found)
    return np.concatenate(features), np.concatenate(labels)


def _head(model: keras.Model, size: int) -> keras.Model:
    inputs = values = keras.Input((size,), name="features")
    for name in _LAYERS:
        if name != "code_norm" or any(layer.name == name for layer in model.layers):
            values = model.get_layer(name)(values)
    return keras.Model(inputs, {"codes": values})


def _batches(features: np.ndarray, labels: np.ndarray, config: TrainConfig) -> tf.data.Dataset:
    """Endless batches of features and labels, of P classes x K images where the settings say so."""
    size, per_class = config.batch_size, config.images_per_class
    if per_class:
        take = ClassBatches(labels, size // per_class, per_class, config.seed).take
        rows = np.stack([take(step).numbers for step in range(config.head_steps)])
    else:
        generator = np.random.default_rng(config.seed)
        rows = np.stack([generator.choice(len(labels), size, replace=False)
                         for _ in range(config.head_steps)])
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    held = tf.constant(features), tf.constant(labels)
    return tf.data.Dataset.from_tensor_slices(rows).map(
        lambda chosen: (tf.cast(tf.gather(held[0], chosen), tf.float32), tf.gather(held[1], chosen))
    ).with_options(options)
