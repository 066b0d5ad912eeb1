"""Batches that do not fit in memory: a step computes its batch in parts, one after another."""

from __future__ import annotations

import keras
import tensorflow as tf


class PartedBatches(keras.Model):
    """A model whose step sums the gradients of equal parts of its batch, and then changes the weights once.

    The step is that of the whole batch, but for rounding and for batch normalisation, which takes the
    statistics of each part by itself and moves its averages with each. Replicas sum their gradients once a
    step. Steps, schedule, momentum and averages know of no parts.

    Args:
        inputs, outputs: as keras.Model takes them; losses are means over images.
        num_parts: of the batch of each replica, which has to be a multiple of it.
    """

    def __init__(self, inputs, outputs, num_parts, **kwargs):
        super().__init__(inputs, outputs, **kwargs)
        self.num_parts = num_parts

    def train_step(self, data):
        weights, gradients, logs = self.trainable_variables, None, {}
        for part in range(self.num_parts):
            inputs, targets = self._part(data, part)
            if gradients is not None:  # else all parts would be computed at once, and be in memory
                with tf.control_dependencies(tf.nest.flatten(gradients, expand_composites=True)):
                    inputs = tf.nest.map_structure(tf.identity, inputs)
            with tf.GradientTape() as tape:
                outputs = self(inputs, training=True)
                loss = self.compute_loss(inputs, targets, outputs)
            found = [gradient for gradient, _ in self.optimizer.compute_gradients(loss, weights, tape)]
            gradients = found if gradients is None else [_sum(*pair) for pair in zip(gradients, found)]
            logs = self.compute_metrics(inputs, targets, outputs, None)
        self.optimizer.apply_gradients(zip([_divided(each, self.num_parts) for each in gradients], weights))
        return logs

    def _part(self, data, part):
        def rows(values):
            size = (values.shape[0] or tf.shape(values)[0]) // self.num_parts
            return values[part * size:(part + 1) * size]

        return tf.nest.map_structure(rows, data)


def _sum(first, second):
    if first is None:
        return None
    if not isinstance(first, tf.IndexedSlices):
        return first + second
    return tf.IndexedSlices(tf.concat([first.values, second.values], axis=0),
                            tf.concat([first.indices, second.indices], axis=0), first.dense_shape)


def _divided(gradient, count):
    """A gradient by a number; of some rows each once, as the optimizers want them."""
    if gradient is None:
        return None
    if not isinstance(gradient, tf.IndexedSlices):
        return gradient / count
    rows, places = tf.unique(gradient.indices)
    values = tf.math.unsorted_segment_sum(gradient.values, places, tf.size(rows))
    return tf.IndexedSlices(values / count, rows, gradient.dense_shape)
