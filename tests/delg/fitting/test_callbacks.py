"""When checkpoints are written, and how a training ends that is told to."""

import signal
import unittest
from types import SimpleNamespace
from unittest import mock

import keras
import tensorflow as tf

from data_prep.stage import ending
from delg.fitting import callbacks, resuming
from delg.fitting.optimizers import build_optimizer


class BackupTest(unittest.TestCase):
    def setUp(self):
        inputs = keras.Input([1])
        self.model = keras.Model(inputs, keras.layers.Dense(1)(inputs))
        self.model.compile(keras.optimizers.SGD(0.01), loss="mse")
        self.saved, self.heeded = [], ending.Heeded()
        self.backups = mock.Mock(is_writing=False)
        self.backups.save.side_effect = self.saved.append

    def fit(self, at_step=0, on_step=None, on_epoch_end=lambda: None, **settings):
        """Seven steps in epochs of three; `on_step`, which tells to end if not given, is called after one."""
        guard = callbacks.StopOnBadLoss(learning_rate=0.01)
        on_step = on_step or self.tell
        batches = tf.data.Dataset.from_tensors((tf.ones([2, 1]), tf.zeros([2, 1]))).repeat()
        events = [keras.callbacks.LambdaCallback(
            on_train_batch_end=lambda *_: self.model.optimizer.iterations.numpy() == at_step and on_step(),
            on_epoch_end=lambda *_: on_epoch_end())]
        resuming.fit_to_last_step(
            self.model, SimpleNamespace(num_steps=7, steps_per_epoch=3), lambda _: batches,
            lambda: [guard, *events, callbacks.Backup(self.backups, self.heeded, guard, **settings)])

    def tell(self):
        self.heeded.hear(signal.SIGTERM, None)

    def test_at_the_ends_of_epochs_and_before_the_first_which_may_take_long(self):
        self.fit()
        self.assertEqual(self.saved, [2, 3, 6, 7])

    def test_before_the_end_of_each_epoch_where_they_take_long(self):
        with mock.patch.object(callbacks, "_SLOW_END", -1):
            self.fit()
        self.assertEqual(self.saved, [2, 3, 5, 6, 7])

    def test_several_steps_at_once_are_all_counted(self):  # epochs of 2 + 1, 2 + 1 and 1 steps
        self.model.compile(keras.optimizers.SGD(0.01), loss="mse", steps_per_execution=2)
        self.fit(backup_steps=4)
        self.assertEqual(self.saved, [2, 3, 5, 6, 7])

    def test_by_steps(self):
        self.fit(backup_steps=4)
        self.assertEqual(self.saved, [2, 3, 4, 6, 7])

    def test_by_time_unless_the_last_is_still_being_written(self):
        self.fit(backup_minutes=1e-9)
        self.assertEqual(self.saved, [1, 2, 3, 4, 5, 6, 7])
        self.setUp()
        self.backups.is_writing = True
        self.fit(backup_minutes=1e-9)
        self.assertEqual(self.saved, [2, 3, 6, 7])
        self.setUp()
        self.fit(backup_minutes=10)
        self.assertEqual(self.saved, [2, 3, 6, 7])

    def test_one_that_is_told_to_end_saves_and_ends(self):
        for told in (1, 2, 4, 5):
            self.setUp()
            with self.subTest(told), self.assertRaisesRegex(
                    ending.RunAgain, f"Told to end by SIGTERM, the checkpoint of step {told} is written"):
                self.fit(told)
            self.assertEqual(self.saved[-1], told)
            self.assertEqual(self.model.optimizer.iterations.numpy(), told)
            self.backups.wait.assert_called()

    def test_an_end_of_an_epoch_that_may_take_long_is_broken_off(self):
        for events in ({"at_step": 3}, {"on_epoch_end": self.tell}):
            self.setUp()
            with self.assertRaisesRegex(ending.RunAgain, "Told to end by SIGTERM$"):
                self.fit(**events)
            self.assertEqual(self.saved, [2])

    def test_an_end_of_an_epoch_that_is_quick_is_waited_for(self):
        with self.assertRaisesRegex(ending.RunAgain, "the checkpoint of step 6 is written"):
            self.fit(6)
        self.assertEqual(self.saved, [2, 3, 6])

    def test_bad_weights_are_not_saved(self):
        with self.assertRaisesRegex(ValueError, "The loss must stay finite"):
            self.fit(1, lambda: self.model.layers[-1].kernel.assign([[float("nan")]]), backup_steps=2)
        self.assertEqual(self.saved, [])


class SkippedStepsTest(unittest.TestCase):
    def test_says_how_many_until_there_are_no_new_ones(self):
        optimizer = keras.mixed_precision.LossScaleOptimizer(build_optimizer("sgd", 0.1))
        optimizer.build([tf.Variable(0.0)])
        events, said = callbacks.SkippedSteps(), []
        events.set_model(SimpleNamespace(optimizer=optimizer))
        with mock.patch.object(callbacks.logging, "warning", lambda text, *parts: said.append(text % parts)):
            for steps, updates in ((2, 2), (5, 2), (9, 6), (10, 6)):
                optimizer.iterations.assign(steps)
                optimizer.inner_optimizer.num_updates.assign(updates)
                events.on_epoch_end(0)
        self.assertRegex(said[0], "^3 of 5 steps changed nothing.* float16; the loss scale is 32768 now")
        self.assertEqual([text.split(" steps")[0] for text in said], ["3 of 5", "4 of 10"])

    def test_other_precisions_skip_none(self):
        events = callbacks.SkippedSteps()
        events.set_model(SimpleNamespace(optimizer=build_optimizer("sgd", 0.1)))
        events.on_epoch_end(0)


if __name__ == "__main__":
    unittest.main()
