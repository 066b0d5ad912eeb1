import dataclasses
import os
import shutil
import tempfile
import unittest

import numpy as np

from data_prep.records import manifest
from delg.networks import model_files
from delg.networks.delg import build_delg
from delg.settings.training import TrainConfig
from delg.training import earlier_run, loop
from tests.fixtures import eager, model_dirs, replicas, tiny_shards, tiny_trainings

_train = eager.eagerly(loop.train)


def setUpModule():
    global _folder, _base
    tiny_trainings.use()
    _folder = tempfile.TemporaryDirectory()
    for name, num_classes in (("few", 4), ("many", 6)):
        os.makedirs(f"{_folder.name}/{name}")
        tiny_shards.write_tiny_shards(f"{_folder.name}/{name}", num_classes)
    many = manifest.load_manifest(f"{_folder.name}/many")  # 100, 3, 2, 1, 0, 101 in the place of 0, 1, ...
    manifest.save_manifest(dataclasses.replace(many, labels=(100, 3, 2, 1, 0, 101, 6, 7, 8)),
                           f"{_folder.name}/many")
    _base = TrainConfig(
        train_pattern=f"{_folder.name}/few/train-*", model_dir=f"{_folder.name}/first", backbone="resnet18",
        width=0.125, backbone_weights="none", image_size=32, batch_size=8, num_steps=1, embedding_dim=8,
        autoencoder_dim=4, attention_dim=8, num_subcenters=2, seed=3)
    _train(_base)


def tearDownModule():
    _folder.cleanup()


def _next(name, **changes):
    return dataclasses.replace(_base, **{"model_dir": f"{_folder.name}/{name}", "init_from": _base.model_dir,
                                         "seed": 4, **changes})


class TakeTest(unittest.TestCase):
    def setUp(self):
        self.first = build_delg(_base.model_config(4))
        model_files.load_weights(self.first, model_files.weight_path(_base.model_dir, "best"))

    def _start(self, config):
        with self.assertLogs(level="INFO") as logs:
            model = loop.untrained_model(config)
        return model, "\n".join(logs.output)

    def _assert_taken(self, model, *names):
        for name in names:
            for found, expected in zip(model.get_layer(name).get_weights(),
                                       self.first.get_layer(name).get_weights(), strict=True):
                np.testing.assert_array_equal(found, expected, err_msg=name)

    def test_all_of_a_run_on_the_same_classes_with_larger_images(self):
        model, table = self._start(_next("larger", image_size=64))
        self._assert_taken(model, *(layer.name for layer in self.first.layers if layer.weights))
        self.assertRegex(table, r"backbone +taken\n")
        self.assertRegex(table, r"attention_logits +taken for 4 of 4 classes")

    def test_classes_are_taken_by_their_original_labels(self):
        model, table = self._start(_next("many", train_pattern=f"{_folder.name}/many/train-*"))
        self._assert_taken(model, "backbone", "whitening", "encoder", "attention_hidden")
        self.assertRegex(table, r"global_cosines +taken for 4 of 6 classes")
        for name, rows in (("global_cosines", 2), ("attention_logits", 1)):
            for found, expected in zip(model.get_layer(name).get_weights(),
                                       self.first.get_layer(name).get_weights(), strict=True):
                found, expected = (array.reshape(-1, rows, array.shape[-1] // rows)
                                   for array in (found, expected))
                np.testing.assert_array_equal(found[..., [4, 3, 2, 1]], expected)
                if name == "global_cosines":
                    self.assertGreater(np.abs(found[..., [0, 5]]).min(), 0)  # random

    def test_what_does_not_fit_is_left_and_said(self):
        changes = {"embedding_dim": 6, "use_autoencoder": False, "num_subcenters": 1, "learn_gem_power": True}
        model, table = self._start(_next("other_heads", **changes))
        self._assert_taken(model, "backbone", "attention_hidden")
        self.assertRegex(table, r"whitening +left at its start: \[\(16, 8\), \(8,\)\] there, \[\(16, 6")
        self.assertRegex(table, r"global_cosines +left at its start: \[\(8, 8\)\] there, \[\(6, 4\)\] here")
        self.assertRegex(table, r"gem_pooling +left at its start: the other model has none")
        self.assertRegex(table, r"encoder +not used: this model has none")

    def test_rules_start_the_heads_that_are_not_taken(self):
        by_rule = {"whitening_init": "identity", "autoencoder_init": "pca", "num_init_images": 8}
        model, _ = self._start(_next("rules", embedding_dim=16, **by_rule))
        np.testing.assert_array_equal(model.get_layer("whitening").kernel, np.eye(16))
        self._assert_taken(model, "encoder", "decoder")

    def test_classes_of_shards_that_are_gone_are_not_taken(self):
        folder = shutil.copytree(_base.model_dir, f"{_folder.name}/moved")
        config = model_files.read_config(folder)
        config["train"]["train_pattern"] = f"{_folder.name}/gone/train-*"
        model_files.write_config(folder, config)
        _, table = self._start(_next("unknown", init_from=folder))
        self.assertIn("gone/dataset.json does not exist", table)
        self.assertRegex(table, r"global_cosines +taken for 0 of 4 classes")


class TrainTest(unittest.TestCase):
    def test_a_checkpoint_of_parted_classes_serves_where_there_are_no_best_weights(self):
        first = dataclasses.replace(_base, model_dir=f"{_folder.name}/unfinished", classifier="sharded")
        _train(first)
        expected = model_dirs.read_weights(first.model_dir, "best")
        os.remove(model_files.weight_path(first.model_dir, "best"))
        self.assertEqual(replicas.two_replicas().num_replicas_in_sync, 2)
        config = _next("from_checkpoint", init_from=first.model_dir, classifier="sharded",
                       strategy="mirrored", learning_rate=1e-12, weight_decay=0.0, freeze_batch_norm=True)
        loop.train(config)
        for name, value in model_dirs.read_weights(config.model_dir).items():
            if not name.startswith("layers/batch_normalization"):  # of attention: it saw the batch
                np.testing.assert_allclose(value, expected[name], atol=1e-6, err_msg=name)

    def test_a_resumed_run_needs_no_start_but_refuses_another(self):
        source = shutil.copytree(_base.model_dir, f"{_folder.name}/source")
        config = _next("resumed", init_from=source)
        result = _train(config)
        self.assertEqual(len(result["started_from"]), 64)
        self.assertEqual(_train(config), result)
        shutil.copy(model_files.weight_path(config.model_dir, "best"), source)
        with self.assertRaisesRegex(ValueError, "something else than `init_from` .* Received: .*resumed"):
            _train(config)
        kept = _train(dataclasses.replace(config, init_from=""))
        self.assertEqual(kept["started_from"], result["started_from"])
        shutil.rmtree(source)
        self.assertEqual(_train(config), result)

    def test_a_run_begun_without_a_start_refuses_one(self):
        copy = shutil.copytree(_base.model_dir, f"{_folder.name}/copy")
        with self.assertRaisesRegex(ValueError, "holds a training that began from something else"):
            _train(dataclasses.replace(_base, init_from=copy))


class FindTest(unittest.TestCase):
    def test_refuses_the_folder_of_the_training(self):
        with self.assertRaisesRegex(ValueError, "`init_from` must be another folder than `model_dir`"):
            earlier_run.find(dataclasses.replace(_base, init_from=f"{_base.model_dir}/."))

    def test_refuses_a_folder_without_model(self):
        with self.assertRaisesRegex(FileNotFoundError, "`init_from` must be .* No such file: nowhere/config"):
            earlier_run.find(_next("none", init_from="nowhere"))

    def test_refuses_another_backbone(self):
        with self.assertRaisesRegex(ValueError, "same backbone. Received: .*, width=0.125 there, 0.25 here"):
            earlier_run.find(_next("wide", width=0.25))

    def test_refuses_a_model_without_weights(self):
        folder = f"{_folder.name}/empty"
        os.makedirs(folder)
        model_files.write_config(folder, model_files.read_config(_base.model_dir))
        with self.assertRaisesRegex(FileNotFoundError, "best.weights.h5 or a checkpoint. .*empty, which"):
            earlier_run.find(_next("bare", init_from=folder))
