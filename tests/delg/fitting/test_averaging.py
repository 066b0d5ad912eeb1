import unittest

import numpy as np
import tensorflow as tf

from delg.fitting.averaging import HideAverages, ShowAverages, WeightAverages
from delg.fitting.optimizers import build_optimizer


class WeightAveragesTest(unittest.TestCase):
    def setUp(self):
        self.variables = [tf.Variable([4.0], name=name) for name in ("both", "moving", "start", "neither")]
        self.averages = WeightAverages(
            self.variables, {"both:0": tf.Variable([2.0]), "moving:0": tf.Variable([3.0])},
            {"both:0": np.float32([1.0]), "start:0": np.float32([0.0])}, start_share=0.25)

    def _values(self):
        return [float(variable[0]) for variable in self.variables]

    def test_by_hand(self):  # 0.75 * 2 + 0.25 * 1; 3; 0.75 * 4 + 0.25 * 0
        self.averages.show()
        np.testing.assert_allclose(self._values(), [1.75, 3.0, 3.0, 4.0])
        self.averages.show()  # they are there
        np.testing.assert_allclose(self._values(), [1.75, 3.0, 3.0, 4.0])

    def test_own_values_come_back(self):
        self.averages.hide()
        self.averages.show()
        self.averages.hide()
        self.assertEqual(self._values(), [4.0] * 4)

    def test_validation_and_what_stands_between_the_callbacks_see_averages(self):
        show, hide = ShowAverages(self.averages), HideAverages(self.averages)
        show.on_test_begin()
        self.assertEqual(self._values()[1], 3.0)
        show.on_epoch_end(0)
        self.assertEqual(self._values()[1], 3.0)
        hide.on_epoch_end(0)
        self.assertEqual(self._values()[1], 4.0)


class MovingAverageTest(unittest.TestCase):
    def test_by_hand(self):  # values 2, then 1, then 0; averages 2, 0.5 * 2 + 0.5 * 1, 0.5 * 1.5 + 0.5 * 0
        optimizer = build_optimizer("sgd", 1.0, momentum=0.0, ema_momentum=0.5)
        variable = tf.Variable(2.0, name="w")
        optimizer.build([variable])
        for _ in range(2):
            optimizer.apply_gradients([(tf.constant(1.0), variable)])
        self.assertAlmostEqual(float(optimizer.average_of(variable)), 0.75)
        optimizer.finalize_variable_values([variable])  # at the end of each `fit`
        self.assertEqual(float(variable), 0.0)
