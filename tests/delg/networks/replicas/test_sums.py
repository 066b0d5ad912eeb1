import unittest

import numpy as np
import tensorflow as tf

from delg.networks.replicas import sums
from tests.fixtures.replicas import two_replicas


class SumsTest(unittest.TestCase):
    def test_the_gradient_of_a_sum_is_the_sum_of_the_gradients(self):
        strategy = two_replicas()

        @tf.function(autograph=False)
        def step():
            number = tf.cast(sums.replica_index(), tf.float32)
            value = 3.0 + number
            with tf.GradientTape() as tape:
                tape.watch(value)
                loss = (1.0 + number) * sums.sum_over_replicas(value)
            return loss, tape.gradient(loss, value)

        found = strategy.experimental_local_results(strategy.run(step))
        np.testing.assert_array_equal(found, [[7, 3], [14, 3]])  # 3 + 4, times 1 and 2; 1 + 2

    def test_rows_of_replicas_with_unequal_numbers(self):  # 1 and 2 rows
        strategy = two_replicas()

        @tf.function(autograph=False)
        def step():
            number = sums.replica_index()
            own = tf.fill([1 + number, 2], 5.0 + tf.cast(number, tf.float32))
            rows, own_of = sums.concat_over_replicas(own, filler=-1.0)
            return rows, own_of(rows)

        found = strategy.experimental_local_results(strategy.run(step))
        for rows, _ in found:
            np.testing.assert_array_equal(rows, [[5, 5], [-1, -1], [6, 6], [6, 6]])
        self.assertEqual([own.numpy().tolist() for _, own in found], [[[5, 5]], [[6, 6], [6, 6]]])
