import os
import tempfile
import unittest

import numpy as np
import tensorflow as tf

from delg.fitting import callbacks, summaries
from delg.networks import layers


class _Logged:
    """A model as far as a callback looks at one."""

    def __init__(self, step=7):
        self.optimizer = tf.keras.optimizers.SGD(0.25)
        self.optimizer.iterations.assign(step)


class EventsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.writer = tf.summary.create_file_writer(folder.name)

    def _events(self):
        self.writer.close()
        values = {}
        for name in os.listdir(self.folder):
            for record in tf.data.TFRecordDataset(os.path.join(self.folder, name)):
                event = tf.compat.v1.Event.FromString(record.numpy())
                for value in event.summary.value:
                    values[value.tag] = (event.step, tf.make_ndarray(value.tensor))
        return values

    def test_scalars_of_an_epoch(self):
        pooling = layers.GeMPooling(power=2.5)
        pooling.build((None, None, None, 1))
        events = summaries.TrainingSummaries(self.writer, 4, {"gem_power": pooling.exponent})
        events.set_model(_Logged())
        events.on_epoch_begin(0)
        events.on_train_batch_end(2)
        events.on_epoch_end(0, {"loss": 1.5, "global_cosines_accuracy": 0.5})
        values = self._events()
        self.assertEqual(values["loss"][0], 7)
        numbers = {name: float(number) for name, (_, number) in values.items()}
        self.assertGreater(numbers.pop("images_per_second"), 0.0)
        self.assertEqual(numbers, {"loss": 1.5, "global_cosines_accuracy": 0.5, "learning_rate": 0.25,
                                   "gem_power": 2.5})

    def test_attention_quartiles_and_pictures(self):
        scores = np.arange(1.0, 6.0).reshape(1, 1, 5, 1)  # quartiles 2, 3, 4
        events = summaries.AttentionSummaries(self.writer, lambda images: scores,
                                              np.zeros([1, 16, 80, 3], np.uint8), (1, 16, 0))
        events.set_model(_Logged())
        events.on_epoch_end(0)
        values = self._events()
        quartiles = [float(values[f"attention/percent_{percent}"][1]) for percent in (25, 50, 75)]
        self.assertEqual(quartiles, [2, 3, 4])
        self.assertIn("attention", values)


class HistoryTableTest(unittest.TestCase):
    def test_redone_epochs_replace_their_rows(self):
        with tempfile.TemporaryDirectory() as folder:
            table = callbacks.HistoryTable(folder)
            for epoch, loss in ((0, 3.0), (1, 2.0), (1, 1.0)):
                table.on_epoch_end(epoch, {"loss": loss})
            with open(os.path.join(folder, "history.csv"), encoding="utf-8") as file:
                self.assertEqual(file.read().split(), ["epoch,loss", "0,3.0", "1,1.0"])


class StopOnBadLossTest(unittest.TestCase):
    def test_checks_where_several_steps_at_once_pass_the_twentieth(self):
        events = callbacks.StopOnBadLoss(learning_rate=0.5)
        events.set_model(_Logged(step=0))
        events.set_params({"steps": 40})
        events.on_train_begin()
        for batch in (7, 15):
            events.on_train_batch_end(batch, {"loss": float("nan")})
        with self.assertRaisesRegex(ValueError, "was nan by step 24"):
            events.on_train_batch_end(23, {"loss": float("nan")})

    def test_checks_every_twenty_steps(self):
        events = callbacks.StopOnBadLoss(learning_rate=0.5)
        events.set_model(_Logged(step=0))
        events.set_params({"steps": 40})
        events.on_train_begin()
        for batch in range(19):
            events.on_train_batch_end(batch, {"loss": float("nan")})
        with self.assertRaisesRegex(ValueError, "was nan by step 20. Lower .* learning_rate=0.5"):
            events.on_train_batch_end(19, {"loss": float("nan")})
