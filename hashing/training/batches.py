"""Batches a model of codes trains on: crops, flips and stronger changes, from seed and step alone."""

from __future__ import annotations

import tensorflow as tf

from data_prep.records import pipeline
from hashing.data.image_batches import middle, resized_size
from hashing.training.config import TrainConfig


def training_batches(config: TrainConfig, start_step: int = 0, batch_size: int = 0, worker_index: int = 0,
                     num_workers: int = 1) -> tf.data.Dataset:
    """Endless batches of (uint8 [B, S, S, 3], int32 [B]); random values depend on seed and step alone.

    Args:
        config: settings.
        start_step: batches to skip.
        batch_size: of this worker; 0: that of the settings.
        worker_index: of this worker.
        num_workers: that share each epoch.
    """
    size, augmentation = config.image_size, config.augmentation
    read_size = size if augmentation == "strong" else resized_size(size)
    batches = pipeline.make_dataset(
        config.train_pattern, read_size, batch_size or config.batch_size, config.seed, training=True,
        augmentation="strong" if augmentation == "strong" else "none", start_step=start_step,
        min_crop_area=config.min_crop_area, images_per_class=config.images_per_class,
        worker_index=worker_index, num_workers=num_workers)
    steps = tf.data.Dataset.counter(start=start_step)

    def augmented(step, batch):
        images, labels = batch
        if augmentation == "none":
            return middle(images, size), labels
        seeds = tf.stack([tf.constant(config.seed, tf.int64), step * num_workers + worker_index])
        if augmentation == "original":
            images = _random_parts(images, size, seeds)
        return _randomly_flipped(images, seeds), labels

    return tf.data.Dataset.zip((steps, batches)).map(
        augmented, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def _random_parts(images, image_size, seeds):
    """A part of each image, at a place of its own."""
    count, spare = tf.shape(images)[0], tf.shape(images)[1] - image_size + 1
    corners = tf.random.stateless_uniform([count, 2], seeds, 0, spare, tf.int32)
    rows = corners[:, :1] + tf.range(image_size)
    columns = corners[:, 1:] + tf.range(image_size)
    parts = tf.gather(images, rows, axis=1, batch_dims=1)
    parts = tf.gather(parts, columns, axis=2, batch_dims=1)
    return tf.ensure_shape(parts, [None, image_size, image_size, 3])


def _randomly_flipped(images, seeds):
    """Half of the images, by chance, left to right."""
    flipped = tf.random.stateless_uniform([tf.shape(images)[0], 1, 1, 1], seeds + [1, 0]) < 0.5
    return tf.where(flipped, images[:, :, ::-1], images)
