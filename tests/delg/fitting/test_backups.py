"""Checkpoints: what is written beside a training, which are kept, and which is gone on from."""

import os
import pathlib
import tempfile
import threading
import unittest
from unittest import mock

import keras
import numpy as np
import tensorflow as tf

from delg.fitting import backups, strategies
from delg.networks.replicas import parted_variables
from tests.fixtures import replicas


class BackupsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.backup = pathlib.Path(folder.name, "backup")
        self.model, self.optimizer = _model()

    def backups(self):
        return backups.Backups(self.model, self.optimizer, self.folder)

    def write(self, *steps):
        """Checkpoints of a model whose weights are all the number of the step."""
        written = self.backups()
        for step in steps:
            self.fill(step)
            written.save(step)
        written.wait()

    def fill(self, value):
        for weight in self.model.weights:
            weight.assign(tf.fill(weight.shape, float(value)))

    def assert_restored(self, value):
        self.fill(-1)
        self.backups().restore()
        for weight in self.model.weights:
            np.testing.assert_array_equal(weight, np.full(weight.shape, value))

    def names(self):
        return sorted(path.name for path in self.backup.iterdir())

    def test_a_copy_is_of_the_moment_and_the_training_goes_on_meanwhile(self):
        go_on, write = threading.Event(), backups.Backups._write

        def late(*arguments):
            go_on.wait(20)
            write(*arguments)

        with mock.patch.object(backups.Backups, "_write", late):
            written = self.backups()
            self.fill(1)
            written.save(1)
            self.fill(2)
            self.assertTrue(written.is_writing)
            self.assertFalse(backups.is_begun(self.folder))
            go_on.set()
            written.wait()
        self.assertFalse(written.is_writing)
        self.assert_restored(1)

    def test_the_last_three_are_kept(self):
        self.write(1, 2, 10, 11)
        self.assertEqual([name for name in self.names() if name.endswith("index")],
                         ["ckpt-10.index", "ckpt-11.index", "ckpt-2.index"])
        self.assert_restored(11)
        self.write(12)
        self.assert_restored(12)
        self.assertEqual([name for name in self.names() if name.endswith("index")],
                         ["ckpt-10.index", "ckpt-11.index", "ckpt-12.index"])

    def test_of_replicas_it_is_what_tensorflow_would_write(self):
        replicas.two_replicas()
        with strategies.build_strategy("mirrored", 1).scope():
            model, optimizer = _model()
            written = backups.Backups(model, optimizer, self.folder)
            written.save(1)
            written.wait()
            expected = tf.train.Checkpoint(model=model, optimizer=optimizer).save(f"{self.folder}/expected")
        found, expected = (tf.train.load_checkpoint(path)
                           for path in (f"{self.backup}/ckpt-1", expected))
        self.assertEqual(found.get_variable_to_shape_map(), expected.get_variable_to_shape_map())
        for name in found.get_variable_to_shape_map():
            if not name.startswith("_"):
                np.testing.assert_array_equal(found.get_tensor(name), expected.get_tensor(name))

    def test_variables_parted_over_replicas_are_whole_in_it(self):
        rows = np.arange(10, dtype=np.float32).reshape(5, 2)
        with replicas.two_replicas().scope():
            parted = tf.Variable(tf.zeros((parted_variables.rows_per_part(5), 2)))
            parted_variables.part_rows(parted, 5)
            parted_variables.assign_parts(parted, lambda first, end: rows[first:end])
            module = tf.Module()
            module.rows = parted
            written = backups.Backups(module, self.optimizer, self.folder)
            written.save(1)
            written.wait()
            parted_variables.assign_parts(parted, lambda first, end: np.zeros_like(rows[first:end]))
            backups.Backups(module, self.optimizer, self.folder).restore()
            found = np.concatenate([part for _, part in parted_variables.parts(parted)])
        np.testing.assert_array_equal(found, rows)
        module.rows = tf.Variable(tf.zeros_like(rows))
        backups.Backups(module, self.optimizer, self.folder).restore()
        np.testing.assert_array_equal(module.rows, rows)

    def test_what_was_never_finished_is_cleared(self):
        os.makedirs(self.backup / "ckpt-1_temp")
        self.backups().restore()
        self.assertEqual(self.names(), [])
        self.write(1)
        for name in ("ckpt-10.index", "checkpoint.tmp0a"):
            (self.backup / name).touch()
        self.assert_restored(1)
        self.assertEqual(self.names(), ["checkpoint", "ckpt-1.data-00000-of-00001", "ckpt-1.index"])

    def test_a_damaged_one_is_passed_over_for_the_one_before(self):
        for damaged in ("ckpt-3.index", "ckpt-3.data-00000-of-00001"):
            self.write(1, 2, 3)
            (self.backup / damaged).write_bytes(b"x" * 100)
            with self.assertLogs("absl", "WARNING") as logs:
                self.assert_restored(2)
            self.assertRegex(logs.output[0], "Checkpoint .*/backup/ckpt-3 is not whole and is passed over")
            self.assertFalse(any(name.startswith("ckpt-3") for name in self.names()))
            self.assert_restored(2)  # without a word
            self.write(3)
            self.assert_restored(3)

    def test_where_their_list_is_damaged_those_that_are_there_are_tried(self):
        for content in (b"", b"\xff", b'model_checkpoint_path: "a"\nall_model_checkpoint_paths: "a"'):
            self.write(1, 2)
            (self.backup / "checkpoint").write_bytes(content)
            with self.subTest(content), self.assertLogs("absl", "WARNING") as logs:
                self.assert_restored(2)
            self.assertRegex(logs.output[0], "backup/checkpoint names no checkpoint that is there")

    def test_where_all_are_damaged_they_are_refused_and_kept(self):
        self.write(1)
        whole = {path: path.read_bytes() for path in self.backup.iterdir()}
        names_none = "backup/checkpoint must name a checkpoint that is there. Received: "
        for name, content, message in (
                ("ckpt-1.index", None, names_none),
                ("ckpt-1.index", b"x" * 100, "Checkpoint .*/backup/ckpt-1 must be whole, .* Received: "),
                ("ckpt-1.data-00000-of-00001", b"x" * 100, "ckpt-1 must be whole, .* Received: ")):
            path = self.backup / name
            path.unlink() if content is None else path.write_bytes(content)
            with self.subTest(name), self.assertRaisesRegex(ValueError, message):
                self.backups().restore()
            path.write_bytes(whole[path])
            self.assertEqual(sorted(self.backup.iterdir()), sorted(whole))

    def test_an_error_of_the_writing_is_raised_where_it_is_waited_for(self):
        self.backup.write_bytes(b"")  # a file in the place of the folder
        written = self.backups()
        written.save(1)
        with self.assertRaises((OSError, tf.errors.OpError)):
            written.wait()
        written.wait()


def _model():
    model = keras.Sequential([keras.layers.Dense(2, input_shape=[1]), keras.layers.BatchNormalization()])
    optimizer = keras.optimizers.SGD(momentum=0.5)
    optimizer.build(model.trainable_variables)
    return model, optimizer


if __name__ == "__main__":
    unittest.main()
