"""Batch normalisation whose statistics are those of the batch of all replicas."""

from __future__ import annotations

import keras
import tensorflow as tf


@tf.custom_gradient
def _sum_over_replicas(values):
    """Sum of `values` over the replicas of the strategy in scope; its gradient is the sum of theirs."""
    def total(each):
        replica = tf.distribute.get_replica_context()
        # TensorFlow's own gradient of all_reduce walks the graphs of all replicas back to their start for
        # each call; a stopped gradient ends the walk at once: ResNet-18 on two replicas is traced in a third.
        if replica is None:
            return each
        return replica.all_reduce(tf.distribute.ReduceOp.SUM, tf.stop_gradient(each))

    return total(values), total


@keras.saving.register_keras_serializable(package="delg")
class BatchNormalization(keras.layers.BatchNormalization):
    """BatchNormalization whose statistics in training are those of the batch of all replicas together.

    So a training on two replicas takes the same steps as on one. It takes one sum over the replicas per layer
    and direction and works in float32 whatever the policy. It has the name and the weights of the plain
    layer, since Keras files weights under the name of the class: either loads the other's.

    Input shape:
        [B, h, w, C].

    Output shape:
        [B, h, w, C].
    """

    def call(self, inputs, training=None):
        if not training or not self.trainable:
            return super().call(inputs, training=False)
        maps = tf.cast(inputs, tf.float32)
        cells = tf.cast(tf.reduce_prod(tf.shape(maps)[:3]), tf.float32)
        sums = tf.concat([tf.reduce_sum(maps, axis=[0, 1, 2]), tf.reduce_sum(tf.square(maps), axis=[0, 1, 2]),
                          cells[None]], axis=0)
        sums = _sum_over_replicas(sums)
        cells = sums[-1]
        mean, mean_square = tf.split(sums[:-1] / cells, 2)
        variance = tf.maximum(mean_square - tf.square(mean), 0.0)
        unbiased = variance * cells / tf.maximum(cells - 1.0, 1.0)  # as the plain layer does on accelerators
        self.moving_mean.assign_sub((self.moving_mean - mean) * (1.0 - self.momentum))
        self.moving_variance.assign_sub((self.moving_variance - unbiased) * (1.0 - self.momentum))
        normalised = tf.nn.batch_normalization(maps, mean, variance, self.beta, self.gamma, self.epsilon)
        return tf.cast(normalised, self.compute_dtype)
