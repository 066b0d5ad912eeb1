"""Batch normalisation whose statistics are those of the batch of all replicas."""

from __future__ import annotations

import keras
import tensorflow as tf

from delg.networks.replicas.sums import sum_over_replicas


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
        sums = sum_over_replicas(sums)
        cells = sums[-1]
        mean, mean_square = tf.split(sums[:-1] / cells, 2)
        variance = tf.maximum(mean_square - tf.square(mean), 0.0)
        unbiased = variance * cells / tf.maximum(cells - 1.0, 1.0)  # as the plain layer does on accelerators
        self.moving_mean.assign_sub((self.moving_mean - mean) * (1.0 - self.momentum))
        self.moving_variance.assign_sub((self.moving_variance - unbiased) * (1.0 - self.momentum))
        normalised = tf.nn.batch_normalization(maps, mean, variance, self.beta, self.gamma, self.epsilon)
        return tf.cast(normalised, self.compute_dtype)
