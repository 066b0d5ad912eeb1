import unittest

import keras
import numpy as np
import tensorflow as tf

from delg.networks import layers
from delg.networks.replicas import parted_variables, row_classifiers
from delg.training import class_losses, losses
from tests.fixtures.replicas import two_replicas

_CLASSES, _DIMENSIONS, _BATCH = 7, 4, 6
_MARGINS = np.linspace(0.05, 0.5, _CLASSES).astype(np.float32)


class SampleClassesTest(unittest.TestCase):
    def _sample(self, labels, rate, seed=(1, 2), num_classes=100):
        return class_losses.sample_classes(tf.constant(labels), num_classes, rate, seed).numpy()

    def test_holds_the_labels_and_its_share_increasing(self):
        chosen = self._sample([7, 93, 7], 0.1)
        self.assertEqual(len(chosen), 10)
        self.assertLess({7, 93}, set(chosen))
        self.assertTrue(np.all(np.diff(chosen) > 0))

    def test_labels_of_others_are_passed_over(self):
        np.testing.assert_array_equal(self._sample([7, -1, 100], 0.1), self._sample([7], 0.1))

    def test_is_larger_where_labels_are_more(self):
        np.testing.assert_array_equal(self._sample(np.arange(20), 0.05), np.arange(20))

    def test_the_seed_alone_decides(self):
        np.testing.assert_array_equal(self._sample([1], 0.2), self._sample([1], 0.2))
        self.assertNotEqual(set(self._sample([1], 0.2)), set(self._sample([1], 0.2, seed=(1, 3))))

    def test_all_others_are_drawn_alike(self):  # 9 of the 99 in each of 100 draws: 9 times each
        counts = np.bincount(np.concatenate([self._sample([0], 0.1, (1, draw)) for draw in range(100)]),
                             minlength=100)
        self.assertEqual(counts[0], 100)
        self.assertLess(np.abs(counts[1:] - 9.1).max(), 5 * np.sqrt(9.1))

    def test_places(self):
        np.testing.assert_array_equal(
            class_losses.places(tf.constant([2, 5, 9]), tf.constant([5, 9, 2, 3, -1, 10])),
            [1, 2, 0, -1, -1, -1])


def _losses(is_cosine):
    if is_cosine:
        loss = losses.CosineSoftmaxLoss("arcface", scale=10.0, class_margins=_MARGINS)
        return loss, layers.CosineClassifier(_CLASSES, 2), row_classifiers.CosineClassifier(_CLASSES, 2)
    return losses.AttentionLoss(), keras.layers.Dense(_CLASSES), row_classifiers.Dense(_CLASSES)


def _full(is_cosine, vectors, labels):
    """Loss of each image, and gradients of their mean by the vectors and by the classes, rows of classes."""
    keras.utils.set_random_seed(1)
    loss, plain, _ = _losses(is_cosine)
    with tf.GradientTape() as tape:
        vectors = tf.constant(vectors)
        tape.watch(vectors)
        each = loss.call(labels, plain(vectors))
        mean = tf.reduce_mean(each)
    by_vectors, by_classes = tape.gradient(mean, [vectors, plain.kernel])
    return each, by_vectors, tf.transpose(tf.reshape(by_classes, [_DIMENSIONS, -1, _CLASSES])).numpy()


def _parted(is_cosine, vectors, labels, rate):
    """As `_full`, over the replicas in scope; what is not looked at has no gradient."""
    strategy = tf.distribute.get_strategy()
    keras.utils.set_random_seed(1)
    loss, _, rows = _losses(is_cosine)
    layer = class_losses.ClassLoss(rows, loss.logits, rate, 3)
    rows.build((None, _DIMENSIONS))
    share = _BATCH // strategy.num_replicas_in_sync

    def step(number):
        first = number * share
        own, own_labels = tf.constant(vectors)[first:first + share], tf.constant(labels)[first:first + share]
        with tf.GradientTape() as tape:
            tape.watch(own)
            each = layer([own, own_labels], training=True)[:, 0]
            mean = tf.reduce_sum(each) / _BATCH
        by_vectors, by_classes = tape.gradient(mean, [own, rows.rows])
        return each, by_vectors, tf.convert_to_tensor(by_classes)

    numbers = strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant(context.replica_id_in_sync_group))
    found = strategy.experimental_local_results(strategy.run(step, (numbers,)))
    each, by_vectors, by_classes = (np.concatenate(parts) for parts in zip(*found))
    return each, by_vectors, by_classes[:_CLASSES]


class ClassLossTest(unittest.TestCase):
    """7 classes, so two replicas have 4 and 3."""

    def setUp(self):
        generator = np.random.default_rng(0)
        self.vectors = generator.standard_normal((_BATCH, _DIMENSIONS)).astype(np.float32)
        self.labels = np.array([6, 0, 3, 3, 5, 1], np.int32)

    def test_all_classes_give_loss_and_gradients_of_the_full_softmax(self):
        for is_cosine in (True, False):
            expected = _full(is_cosine, self.vectors, self.labels)
            for strategy in (tf.distribute.get_strategy(), two_replicas()):
                # 0.99 of 7 and of 3 or 4 classes, rounded up, are all of them, drawn as some would be.
                for rate in (1.0, 0.99):
                    with self.subTest((is_cosine, rate, strategy.num_replicas_in_sync)), strategy.scope():
                        found = _parted(is_cosine, self.vectors, self.labels, rate)
                        for one, other in zip(found, expected):
                            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)

    def test_some_classes_give_the_softmax_over_them(self):
        for strategy in (tf.distribute.get_strategy(), two_replicas()):
            with self.subTest(strategy.num_replicas_in_sync), strategy.scope():
                each, _, by_classes = _parted(False, self.vectors, self.labels, 0.1)
                keras.utils.set_random_seed(1)
                _, plain, _ = _losses(False)
                logits = plain(self.vectors).numpy()[:, [0, 1, 3, 5, 6]]  # those of the batch alone
                by_hand = np.log(np.exp(logits).sum(1)) - [
                    row[[0, 1, 3, 5, 6].index(label)] for row, label in zip(logits, self.labels)]
                np.testing.assert_allclose(each, by_hand, rtol=1e-5)
                np.testing.assert_array_equal(np.any(by_classes, axis=(1, 2)),
                                              [True, True, False, True, False, True, True])

    def test_says_which_images_score_their_class_best(self):
        rows = row_classifiers.Dense(3)
        rows.build((None, 3))
        parted_variables.assign_parts(rows.rows, lambda first, end: np.eye(3, dtype=np.float32)[:, None])
        layer = class_losses.ClassLoss(rows, lambda scores, places, labels: scores)
        found = layer([np.float32([[1, 0, 0], [0, 2, 1]]), np.array([0, 2])])
        np.testing.assert_array_equal(found[:, 1], [1, 0])
        np.testing.assert_allclose(found[:, 0], np.log([(np.e + 2) / np.e, (1 + np.e**2 + np.e) / np.e]),
                                   rtol=1e-5)
