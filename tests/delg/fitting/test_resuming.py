import os
import pathlib
import tempfile
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


class RestoredBackupsTest(unittest.TestCase):
    def test_checkpoints_that_were_never_finished_are_cleared(self):
        with tempfile.TemporaryDirectory() as folder:
            model = keras.Sequential([keras.layers.Dense(1, input_shape=[1])])
            optimizer = keras.optimizers.SGD()

            def restored():
                manager = resuming.restored_backups(model, optimizer, folder, folder)
                return manager, sorted(os.listdir(os.path.join(folder, "backup")))

            os.makedirs(os.path.join(folder, "backup", "ckpt-1_temp"))
            manager, found = restored()
            self.assertEqual(found, [])
            manager.save(checkpoint_number=1)
            for name in ("ckpt-10.index", "checkpoint.tmp0a"):
                open(os.path.join(folder, "backup", name), "w").close()
            self.assertEqual(restored()[1], ["checkpoint", "ckpt-1.data-00000-of-00001", "ckpt-1.index"])

    def test_a_damaged_checkpoint_is_refused_and_kept(self):
        with tempfile.TemporaryDirectory() as folder:
            model = keras.Sequential([keras.layers.Dense(1, input_shape=[1])])
            optimizer = keras.optimizers.SGD()
            resuming.restored_backups(model, optimizer, folder, folder).save(checkpoint_number=1)
            backup = pathlib.Path(folder, "backup")
            whole = {path: path.read_bytes() for path in backup.iterdir()}
            names_none = "backup/checkpoint must name a checkpoint that is there. Received: "
            for name, content, message in (
                    ("checkpoint", b"", names_none), ("checkpoint", b"\xff", names_none),
                    ("ckpt-1.index", None, names_none),
                    ("ckpt-1.index", b"x" * 100, "Checkpoint .*/backup/ckpt-1 must be whole, .* Received: "),
                    ("ckpt-1.data-00000-of-00001", b"x" * 100, "ckpt-1 must be whole, .* Received: ")):
                path = backup / name
                path.unlink() if content is None else path.write_bytes(content)
                with self.subTest(name), self.assertRaisesRegex(ValueError, message):
                    resuming.restored_backups(model, optimizer, folder, folder)
                path.write_bytes(whole[path])
                self.assertEqual(sorted(backup.iterdir()), sorted(whole))


class PlanEpochsTest(unittest.TestCase):
    def test_whole_epochs_and_a_shorter_last_one(self):
        self.assertEqual(resuming.plan_epochs(0, 12, 5), [(0, 2, 5), (2, 3, 2)])

    def test_resumed_inside_an_epoch(self):
        self.assertEqual(resuming.plan_epochs(7, 20, 5), [(1, 2, 3), (2, 4, 5)])

    def test_resumed_inside_the_last_epoch(self):
        self.assertEqual(resuming.plan_epochs(11, 12, 5), [(2, 3, 1)])

    def test_nothing_left(self):
        self.assertEqual(resuming.plan_epochs(12, 12, 5), [])


class RefuseOtherSettingsTest(unittest.TestCase):
    def test_names_what_differs(self):
        with self.assertRaisesRegex(ValueError, "Received: folder, rate=0.1 then, 0.2 now"):
            resuming.refuse_other_settings("folder", {"rate": 0.1, "seed": 0}, {"rate": 0.2, "seed": 0}, ())

    def test_some_may_change(self):
        resuming.refuse_other_settings("folder", {"rate": 0.1}, {"rate": 0.2}, ("rate",))
