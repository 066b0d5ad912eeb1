"""Losses over very many classes: each replica has a part of them, and may look at a random share of it."""

from __future__ import annotations

import keras
import tensorflow as tf

from delg.networks.replicas import sums

_SEEDS = 1 << 31
_NO_CLASS = -1.0  # label of rows that only fill a batch up


def sample_classes(labels, num_classes, rate, seed):
    """Some of the classes: those of the labels, and others drawn at random until they make up a share.

    Source: PartialFC, section 3.2, https://arxiv.org/abs/2203.15565.

    Args:
        labels: int, [B]; what is not in [0, num_classes) is passed over.
        num_classes: int or int scalar.
        rate: share of all classes that is taken, in (0, 1]; more where labels alone are more.
        seed: int, [2]; equal seeds draw alike.

    Returns:
        int32, [S], increasing.
    """
    noise = tf.random.stateless_uniform([num_classes], seed)
    given = tf.boolean_mask(labels, (labels >= 0) & (labels < num_classes))
    noise = tf.tensor_scatter_nd_update(noise, given[:, None], tf.fill(tf.shape(given), 2.0))
    num_given = tf.math.count_nonzero(noise > 1.0, dtype=tf.int32)
    share = tf.cast(tf.math.ceil(rate * tf.cast(num_classes, tf.float32)), tf.int32)
    return tf.sort(tf.math.top_k(noise, tf.maximum(share, num_given), sorted=False).indices)


def places(chosen, labels):
    """Where each of the labels [B] stands in `chosen` [S], increasing; -1: nowhere."""
    found = tf.searchsorted(chosen, labels)
    is_there = tf.gather(tf.pad(chosen, [[0, 1]], constant_values=-1), found) == labels
    return tf.where(is_there & (labels >= 0), found, -1)


def parted_cross_entropy(logits, scores, labels):
    """Cross-entropy of the softmax over the classes of all replicas, and whether the true class scores best.

    Args:
        logits: float32, [B, S], of images of all replicas and classes of this replica.
        scores: float32, [B, S], by which the best class is chosen.
        labels: int, [B], in [0, S), or -1 where the true class is another replica's.

    Returns:
        A pair of float32 [B], the same on all replicas.
    """
    lowest = tf.float32.min / 2
    greatest = tf.stack([tf.maximum(tf.reduce_max(each, axis=1), lowest) for each in (logits, scores)])
    peak, best = tf.unstack(tf.reduce_max(sums.stack_over_replicas(tf.stop_gradient(greatest)), axis=0))
    is_true = tf.one_hot(labels, tf.shape(logits)[1], dtype=tf.float32)
    shifted = logits - peak[:, None]
    parts = tf.stack([tf.reduce_sum(tf.exp(shifted), axis=1), tf.reduce_sum(is_true * shifted, axis=1),
                      tf.stop_gradient(tf.reduce_sum(is_true * scores, axis=1))])
    exponentials, true, true_score = tf.unstack(sums.sum_over_replicas(parts))
    return tf.math.log(exponentials) - true, tf.cast(true_score >= best, tf.float32)


class ClassLoss(keras.layers.Layer):
    """Loss of each image over all classes of a classifier, or in training over a random share of them.

    Every replica sees the images of all, and computes the scores of its own part of the classes for them.

    Args:
        classifier: of `row_classifiers`.
        to_logits: from scores [B, S], the place of the true class in them, [B], -1: not in them, and the true
            class itself, [B], to logits [B, S].
        rate: share of the classes that a step looks at, see `sample_classes`; those of another step and of
            another part are drawn anew.
        seed: of the draw.
        step: without arguments to the number of the step.

    Input shape:
        a pair of vectors [B, D] and labels, int [B].

    Output shape:
        [B, 2], float32: the loss, and 1 if the true class scores best among those that were looked at.
    """

    def __init__(self, classifier, to_logits, rate=1.0, seed=0, step=lambda: 0, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.classifier, self.to_logits, self.rate, self.seed, self.step = (
            classifier, to_logits, rate, seed, step)

    def call(self, inputs, training=None):
        vectors, labels = inputs
        rows = tf.concat([tf.cast(vectors, tf.float32),
                          tf.cast(tf.reshape(labels, [-1, 1]), tf.float32)], axis=1)  # exact to 2 ** 24
        rows, own_of = sums.concat_over_replicas(rows, filler=_NO_CLASS)
        labels = tf.cast(rows[:, -1], tf.int32)
        own_labels, chosen = labels - self.classifier.first_class(), None
        num_own = self.classifier.num_own_classes()
        own_labels = tf.where((own_labels >= 0) & (own_labels < num_own) & (labels >= 0), own_labels, -1)
        if training and self.rate < 1.0:
            seed = tf.stack([(self.seed * sums.num_replicas() + sums.replica_index()) % _SEEDS,
                             tf.cast(self.step(), tf.int32)])
            chosen = sample_classes(own_labels, num_own, self.rate, seed)
            own_labels = places(chosen, own_labels)
        scores = self.classifier.part_scores(rows[:, :-1], chosen)
        logits = self.to_logits(scores, own_labels, tf.maximum(labels, 0))
        loss, is_best = parted_cross_entropy(logits, scores, own_labels)
        return tf.stack([own_of(loss), own_of(is_best)], axis=1)


class FirstColumnLoss(keras.losses.Loss):
    """What `ClassLoss` gives, as a loss.

    Call arguments:
        y_true: ignored.
        y_pred: float, [B, 2].
    """

    def call(self, y_true, y_pred):
        return y_pred[:, 0]


def accuracy() -> keras.metrics.Metric:
    """Of what `ClassLoss` gives."""
    return keras.metrics.MeanMetricWrapper(lambda y_true, y_pred: y_pred[:, 1], name="accuracy")
