"""Trainings that are told to end save where they are; run again they end as if nothing had happened."""

import itertools
import os
import re
import tempfile
import unittest

import numpy as np

from delg.networks import model_files
from tests.fixtures import model_dirs, tiny_workers

_SAVED = re.compile(r"^Told to end by (.+), the checkpoint of step (\d+) is written; what was finished is "
                    r"kept, and the same command goes on from there\.\Z", re.M)


def setUpModule():
    global _folder
    _folder = tempfile.TemporaryDirectory()
    unittest.addModuleCleanup(_folder.cleanup)
    tiny_workers.write_shards(_folder.name)


class PromisesTest(unittest.TestCase):
    """One test over the table of trainings and strategies."""

    def check(self, training: str, strategy: str) -> None:
        num_workers = tiny_workers.NUM_WORKERS[strategy]
        whole, told = f"{training}_{strategy}_whole", f"{training}_{strategy}_told"
        saved_by = "SIGUSR1" if strategy == "mirrored" else "SIGTERM"

        def run(name, **settings):
            return tiny_workers.run(training, _folder.name, name, strategy, save_signal="SIGUSR1",
                                    **_CHANGES.get((training, strategy), {}), **settings)

        self.assert_ended(run(whole), [0] * num_workers)
        ended = run(told, told={num_workers - 1: (2, saved_by)})  # of several the last, which does not write
        self.assert_ended(ended, [75] * num_workers)
        lines = [_SAVED.search(each.output.strip()) for each in ended]
        self.assertTrue(all(lines), [each.output[-2000:] for each in ended])
        self.assertEqual([line[1] for line in lines], ["another worker"] * (num_workers - 1) + [saved_by])
        self.assertEqual(len({line[2] for line in lines}), 1)
        self.assertLess(ended[-1].seconds, 30)
        self.assertTrue(os.path.exists(f"{_folder.name}/{told}/backup/ckpt-{lines[0][2]}.index"))
        self.assertNotEqual(lines[0][2], "6")
        self.assert_ended(run(told), [0] * num_workers)
        expected, found = (model_dirs.read_weights(f"{_folder.name}/{name}") for name in (whole, told))
        self.assertEqual(set(found), set(expected))
        # Replicas of hashing keep moving means apart; a checkpoint has the mean of them.
        apart = "batch_normalization" if training == "hashing.train" and strategy != "one_device" else None
        for name, value in expected.items():
            tolerance = 1e-6 if apart and apart in name else 0
            np.testing.assert_allclose(found[name], value, rtol=tolerance, atol=tolerance, err_msg=name)

    def assert_ended(self, ended, statuses):
        self.assertEqual([each.status for each in ended], statuses, [each.output[-2000:] for each in ended])


def _test_of(row: tuple[str, str]):
    return lambda self: self.check(*row)


# All trainings end alike, through the same callbacks: `make conformance` takes the rows left out here.
_ROWS = [("delg.train", "one_device"), ("delg.train", "multi_worker"), ("vae.train", "one_device"),
         ("hashing.train", "multi_worker")]
_CHANGES = {("delg.train", "one_device"): {"image_size": "24:0,32:4"}}  # told at step 2
if os.environ.get("EVERY_BACKBONE"):
    _ROWS = itertools.product(tiny_workers.SETTINGS, tiny_workers.NUM_WORKERS)
for _row in _ROWS:
    setattr(PromisesTest, f"test_{_row[0].split('.')[0]}_{_row[1]}", _test_of(_row))


class NumberOfWorkersTest(unittest.TestCase):
    def test_two_go_on_where_one_was_told_to_end(self):
        for name, told in (("alone", {}), ("together", {0: (2, "SIGTERM")})):
            tiny_workers.run("delg.train", _folder.name, name, "one_device", told=told)
        ended = tiny_workers.run("delg.train", _folder.name, "together", "multi_worker")
        self.assertEqual([each.status for each in ended], [0, 0], ended)
        alone, together = (model_dirs.read_weights(f"{_folder.name}/{name}")
                           for name in ("alone", "together"))
        for name, value in alone.items():
            np.testing.assert_allclose(together[name], value, rtol=1e-4, atol=1e-5, err_msg=name)


class AgreementTest(unittest.TestCase):
    def test_workers_that_train_otherwise_are_named(self):
        ended = tiny_workers.run("hashing.train", _folder.name, "differ", "multi_worker",
                                 others={1: {"learning_rate": 0.5}})
        self.assertEqual([each.status for each in ended], [1, 1])
        for each in ended:
            self.assertIn("Error: All workers must train alike: the same settings on the same images, from "
                          "the same step. Received: learning_rate: 0.01 on worker 0, 0.5 on worker 1.",
                          each.output)
        self.assertFalse(os.path.exists(f"{_folder.name}/differ/{model_files.CONFIG_FILE}"))

    def test_a_folder_that_is_not_shared_is_said_to_be_none(self):
        ended = tiny_workers.run("hashing.train", _folder.name, "here", "multi_worker",
                                 others={1: {"model_dir": f"{_folder.name}/there"}})
        self.assertEqual([each.status for each in ended], [1, 1])
        for each in ended:
            self.assertRegex(each.output, "Error: `model_dir` must be one folder that all workers share, .*"
                             "Received: what worker 0 on .* writes in .*/here worker 1 on .* does not in "
                             ".*/there see")


if __name__ == "__main__":
    unittest.main()
