import os
import tempfile
import unittest

import keras
import numpy as np
import tensorflow as tf

from delg.networks import layers, model_files
from delg.networks.replicas import parted_variables, row_classifiers
from tests.fixtures.replicas import two_replicas

_CLASSES, _DIMENSIONS = 5, 3
_PAIRS = {"cosines": (lambda: layers.CosineClassifier(_CLASSES, 2, name="scores"),
                      lambda: row_classifiers.CosineClassifier(_CLASSES, 2, name="scores")),
          "dense": (lambda: keras.layers.Dense(_CLASSES, name="scores"),
                    lambda: row_classifiers.Dense(_CLASSES, name="scores"))}


def _model(make):
    keras.utils.set_random_seed(0)
    vectors = keras.Input((_DIMENSIONS,))
    return keras.Model(vectors, make()(vectors))


class RowClassifierTest(unittest.TestCase):
    def setUp(self):
        self.vectors = np.random.default_rng(0).standard_normal((4, _DIMENSIONS)).astype(np.float32)

    def test_starts_as_the_plain_one_and_either_loads_the_file_of_the_other(self):
        for name, makes in _PAIRS.items():
            with self.subTest(name), tempfile.TemporaryDirectory() as folder:
                plain, rows = map(_model, makes)
                np.testing.assert_allclose(rows(self.vectors), plain(self.vectors), rtol=1e-5, atol=1e-6)
                for saved, loaded in ((plain, rows), (rows, plain)):
                    for weight in saved.weights:
                        weight.assign_add(tf.random.stateless_normal(weight.shape, [1, 2]))
                    path = os.path.join(folder, "model.weights.h5")
                    model_files.save_weights(saved, path)
                    model_files.load_weights(loaded, path)
                    np.testing.assert_allclose(loaded(self.vectors), saved(self.vectors), rtol=1e-5,
                                               atol=1e-6)

    def test_replicas_write_and_read_the_file_of_one(self):  # 5 classes: 3 and 2
        for name, makes in _PAIRS.items():
            with self.subTest(name), tempfile.TemporaryDirectory() as folder:
                one = _model(makes[0])
                with two_replicas().scope():
                    parted = _model(makes[1])
                    for number, saved, loaded in ((1, parted, one), (2, one, parted)):
                        path = os.path.join(folder, f"{number}.weights.h5")
                        if number == 2:
                            one.set_weights([2 * weight for weight in one.get_weights()])
                        model_files.save_weights(saved, path)
                        model_files.load_weights(loaded, path)
                    rows = [len(part) for _, part in parted_variables.parts(parted.get_layer("scores").rows)]
                self.assertEqual(rows, [3, 2])
                copy = _model(makes[1])
                with two_replicas().scope():
                    model_files.save_weights(parted, path)
                model_files.load_weights(copy, path)
                np.testing.assert_allclose(copy(self.vectors), one(self.vectors), rtol=1e-5, atol=1e-6)

    def test_replicas_have_no_scores_of_all_classes(self):
        with two_replicas().scope():
            model = _model(_PAIRS["cosines"][1])
            with self.assertRaisesRegex(tf.errors.InvalidArgumentError, "scores has a part of its classes"):
                model(self.vectors)
