import unittest

import keras
import numpy as np
import tensorflow as tf

from hashing.training.asymmetric import DatabaseCodes
from hashing.training.config import TrainConfig
from hashing.training.losses import asymmetric


class DatabaseCodesTest(unittest.TestCase):
    def setUp(self):
        keras.utils.set_random_seed(0)
        generator = np.random.default_rng(0)
        self.labels = np.arange(12, dtype=np.int32) % 3
        self.views = generator.normal(size=(12, 4)).astype(np.float32)
        views = keras.Input((4,))
        self.network = keras.Model(views, {"codes": keras.layers.Dense(8, activation="tanh")(views)})
        self.rows = np.stack([generator.permutation(12)[:4] for _ in range(4)])
        self.config = TrainConfig("t", "m", code_size=8, batch_size=4, mining="none", asymmetric_weight=1.0,
                                  num_steps=0, head_steps=4, database_steps=2, warmup_steps=1)
        self.database = DatabaseCodes(self.network, self.views, self.labels, self.rows, self.config)

    def test_codes_are_first_the_signs_and_then_solved_for_by_the_views_of_the_last_steps(self):
        values = self.network(self.views)["codes"].numpy()
        signs = np.where(values < 0, -1, 1).astype(np.float32)
        np.testing.assert_array_equal(self.database._database, signs)
        self.database.on_train_batch_end(0)
        np.testing.assert_array_equal(self.database._database, signs)
        self.database.on_train_batch_end(1)
        queries = np.unique(self.rows[:2])
        expected = asymmetric.solve_database(
            signs, values[queries], queries, self.labels, asymmetric.negative_similarity(
                self.labels, self.labels), 200.0, (8,))
        np.testing.assert_array_equal(self.database._database, expected)
        self.assertTrue(np.any(expected != signs))

    def test_each_batch_says_which_views_it_holds(self):
        batches = tf.data.Dataset.from_tensor_slices(
            (self.views[self.rows], {"code_logits": self.labels[self.rows]}))
        for (views, targets), rows in zip(self.database.with_rows(batches), self.rows):
            np.testing.assert_array_equal(views, self.views[rows])
            np.testing.assert_array_equal(targets["codes"], np.stack([self.labels[rows], rows], axis=1))
            codes = self.network(views)["codes"]
            np.testing.assert_allclose(
                self.database.loss(targets["codes"], codes), asymmetric.asymmetric_losses(
                    codes, self.labels[rows], rows, self.database._database, self.labels, -0.5, 200.0, (8,)))


if __name__ == "__main__":
    unittest.main()
