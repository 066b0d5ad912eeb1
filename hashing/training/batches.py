"""Batches a model of codes trains on: crops, flips and stronger changes, from seed and step alone."""

from __future__ import annotations

import tensorflow as tf

from data_prep.records import pipeline
from hashing.data.image_batches import resized_size
from hashing.training.config import AUGMENTATIONS, TrainConfig


def training_batches(config: TrainConfig, start_step: int = 0, batch_size: int = 0, worker_index: int = 0,
                     num_workers: int = 1) -> tf.data.Dataset:
    """Endless batches of (uint8 [B, S, S, 3], int32 [B]); random values depend on seed and step alone.

    Args:
        config: settings.
        start_step: batches to skip.
        batch_size: of this worker; 0: that of the settings.
        worker_index: of this worker.
        num_workers: that share each step.
    """
    size, augmentation = config.image_size, AUGMENTATIONS[config.augmentation]
    read_size = resized_size(size) if augmentation.has_margin else size
    batches = pipeline.make_dataset(
        config.train_pattern, read_size, batch_size or config.batch_size, config.seed, training=True,
        augmentation=augmentation.reading, start_step=start_step,
        min_crop_area=config.min_crop_area, images_per_class=config.images_per_class,
        worker_index=worker_index, num_workers=num_workers)
    steps = tf.data.Dataset.counter(start=start_step)

    def augmented(step, batch):
        images, labels = batch
        seeds = tf.stack([tf.constant(config.seed, tf.int64), step * num_workers + worker_index])
        return augmentation.change(images, size, seeds), labels

    return tf.data.Dataset.zip((steps, batches)).map(
        augmented, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
