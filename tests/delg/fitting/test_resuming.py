import unittest
from types import SimpleNamespace

import keras
import tensorflow as tf

from delg.fitting import resuming


class FitToLastStepTest(unittest.TestCase):
    SETTINGS = SimpleNamespace(num_steps=7, steps_per_epoch=3)

    def setUp(self):
        inputs = keras.Input([1])
        self.model = keras.Model(inputs, keras.layers.Dense(1)(inputs))
        self.model.compile(keras.optimizers.SGD(0.1), loss="mse")
        self.epochs, self.starts = [], []

    def fit(self):
        return resuming.fit_to_last_step(self.model, self.SETTINGS, self.batches_from, self.callbacks)

    def batches_from(self, step):
        self.starts.append(step)
        return tf.data.Dataset.from_tensors((tf.ones([2, 1]), tf.zeros([2, 1]))).repeat()

    def callbacks(self):
        return [keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: self.epochs.append(
            (epoch, int(self.model.optimizer.iterations.numpy()))))]

    def test_a_whole_training_then_nothing(self):
        self.assertTrue(self.fit())
        self.assertEqual((self.starts, self.epochs), ([0, 6], [(0, 3), (1, 6), (2, 7)]))
        self.assertFalse(self.fit())
        self.assertEqual(self.starts, [0, 6])

    def test_the_first_epoch_goes_on_where_it_was_interrupted(self):
        self.model.optimizer.iterations.assign(4)
        self.assertTrue(self.fit())
        self.assertEqual((self.starts, self.epochs), ([4, 6], [(1, 6), (2, 7)]))


class PlanEpochsTest(unittest.TestCase):
    def test_whole_epochs_and_a_shorter_last_one(self):
        self.assertEqual(resuming.plan_epochs(0, 12, 5), [(0, 2, 5), (2, 3, 2)])

    def test_resumed_inside_an_epoch(self):
        self.assertEqual(resuming.plan_epochs(7, 20, 5), [(1, 2, 3), (2, 4, 5)])

    def test_resumed_inside_the_last_epoch(self):
        self.assertEqual(resuming.plan_epochs(11, 12, 5), [(2, 3, 1)])

    def test_a_run_of_epochs_ends_at_a_cut(self):
        self.assertEqual(resuming.plan_epochs(0, 12, 2, (0, 4, 8)), [(0, 2, 2), (2, 4, 2), (4, 6, 2)])
        self.assertEqual(resuming.plan_epochs(5, 12, 2, (0, 4, 8)), [(2, 3, 1), (3, 4, 2), (4, 6, 2)])

    def test_nothing_left(self):
        self.assertEqual(resuming.plan_epochs(12, 12, 5), [])


class RefuseOtherSettingsTest(unittest.TestCase):
    def test_names_what_differs(self):
        with self.assertRaisesRegex(ValueError, "Received: folder, rate=0.1 then, 0.2 now"):
            resuming.refuse_other_settings("folder", {"rate": 0.1, "seed": 0}, {"rate": 0.2, "seed": 0}, ())

    def test_some_may_change(self):
        resuming.refuse_other_settings("folder", {"rate": 0.1}, {"rate": 0.2}, ("rate",))
