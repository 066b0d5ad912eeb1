"""A new setting never stops what was begun without it; files of newer versions are refused by name.

The files are those of tests/old_files: as an earlier version wrote them, with a setting taken out to play a
still older one, and with an unknown one to play a newer one.
"""

from __future__ import annotations

import dataclasses
import io
import json
import pathlib
import shutil
import unittest
from collections.abc import Callable
from typing import Any
from unittest import mock

import h5py
import numpy as np

from data_prep.records import shard_stage
from data_prep.stage import files
from data_prep.stage.stored_settings import with_defaults
from delg.exports import saving
from delg.exports.export_config import read_export_config
from delg.features import shards
from delg.features.reader import FeatureReader
from delg.features.whitening import read_whitening
from delg.fitting import backups, resuming
from delg.index import building
from delg.networks import model_files
from delg.scores.ranking import read_ranking
from delg.search import calibration, retrieval
from delg.settings.model import ModelConfig
from delg.settings.search import SearchConfig
from delg.settings.training import TrainConfig
from delg.training import loop
from hashing.codes import code_shards
from hashing.index.code_index import CodeIndex
from hashing.networks.config import ModelConfig as HashingModelConfig
from hashing.training import loop as hashing_loop
from hashing.training.config import TrainConfig as HashingTrainConfig
from tests.fixtures.temporary_files import FilesTest
from vae.networks.config import ModelConfig as VaeModelConfig
from vae.training import loop as vae_loop
from vae.training.config import TrainConfig as VaeTrainConfig
from vae.weighting.config import WeightTrainConfig
from vae.weighting.weight_files import read_channel_weights

_OLD = pathlib.Path(__file__).parent / "old_files" / "7cc1f52"
_NEWER = "must hold settings that this version knows; a newer version wrote it.*unknown='from_tomorrow'"


def remove(*names: str) -> Callable[[dict], None]:
    """A change that takes settings out; they must be there."""
    def change(settings: dict[str, Any]) -> None:
        for name in names:
            del settings[name]
    return change


def add(settings: dict[str, Any]) -> None:
    settings["from_tomorrow"] = 1


class OldFilesTest(FilesTest):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.path("old"))
        shutil.copytree(_OLD, self.folder)

    def change_json(self, name: str, change: Callable[[dict], None], *keys: str) -> None:
        """Changes the object under some keys of a JSON file."""
        path = self.folder / name
        content = json.loads(path.read_text())
        settings = content
        for key in keys:
            settings = settings[key]
        change(settings)
        if "sha256" in content:
            content["sha256"] = files.json_digest(content)
        path.write_text(json.dumps(content))

    def change_attribute(self, name: str, change: Callable[[dict], None], *keys: str) -> None:
        """Changes the object under some keys of the attribute `config` of an HDF5 file."""
        with h5py.File(self.folder / name, "r+") as file:
            content = json.loads(file.attrs["config"])
            settings = content
            for key in keys:
                settings = settings[key]
            change(settings)
            file.attrs["config"] = json.dumps(content)

    def search(self, **changes: Any):
        """The search that the old ranking is of; it is kept as it is where nothing differs."""
        return retrieval.search(
            str(self.folder / "query-*.h5"), str(self.folder / "index-*.h5"), str(self.folder / "index"),
            str(self.folder / "ranking.h5"), SearchConfig(num_rerank=4, min_inliers=8, **changes), 1)


class TrainingsTest(OldFilesTest):
    def trainings(self):
        """Name, class, a setting to take out, the function of the start, and whether it takes classes."""
        yield "delg", TrainConfig, "clip_norm", lambda config: loop._start_config(config, 3)
        yield "vae", VaeTrainConfig, "plateau_factor", vae_loop._start_config
        yield "hashing", HashingTrainConfig, "beta_2", lambda config: hashing_loop._start_config(config, 3)

    def start(self, name: str, config_class: type, start: Callable, **changes: Any) -> dict[str, Any]:
        stored = json.loads((_OLD / f"{name}_model" / "config.json").read_text())["train"]
        stored["model_dir"] = str(self.folder / f"{name}_model")
        with mock.patch.object(backups, "is_begun", return_value=True):
            return start(config_class(**{**stored, **changes}))

    def test_go_on(self):
        for name, config_class, setting, start in self.trainings():
            with self.subTest(name):
                today = self.start(name, config_class, start)
                self.change_json(f"{name}_model/config.json", remove(setting), "train")
                self.assertEqual(self.start(name, config_class, start), today)
                with self.assertRaisesRegex(ValueError, f"{setting}=.* then, 0.5 now"):
                    self.start(name, config_class, start, **{setting: 0.5})

    def test_do_not_go_on_with_settings_of_a_newer_version(self):
        for name, config_class, _, start in self.trainings():
            with self.subTest(name):
                self.change_json(f"{name}_model/config.json", add, "train")
                with self.assertRaisesRegex(ValueError, f"\"train\" in .*config.json {_NEWER}"):
                    self.start(name, config_class, start)

    def test_models_take_the_defaults_of_what_they_lack(self):
        for name, config_class, setting in (("delg", ModelConfig, "attention_pool_scale"),
                                            ("vae", VaeModelConfig, "stem"),
                                            ("hashing", HashingModelConfig, "code_batch_norm")):
            with self.subTest(name):
                contents = model_files.read_config(str(self.folder / f"{name}_model"))
                today = model_files.model_config(contents, config_class=config_class)
                del contents["model"][setting]
                self.assertEqual(model_files.model_config(contents, config_class=config_class), today)
                contents["model"]["from_tomorrow"] = 1
                with self.assertRaisesRegex(ValueError, f"\"model\" in config.json {_NEWER}"):
                    model_files.model_config(contents, config_class=config_class)

    def test_finished_exports_are_kept(self):
        for name, config_class, setting in (("delg", ModelConfig, "attention_pool_scale"),
                                            ("vae", VaeModelConfig, "stem"),
                                            ("hashing", HashingModelConfig, "code_batch_norm")):
            with self.subTest(name):
                export_dir = str(self.folder / f"{name}_export")
                written = read_export_config(export_dir)
                today = {**written, "model": with_defaults(config_class, written["model"], export_dir)}
                self.assertTrue(saving.is_finished(export_dir, today, config_class))
                self.change_json(f"{name}_export/export_config.json", remove(setting), "model")
                self.assertTrue(saving.is_finished(export_dir, today, config_class))
                self.change_json(f"{name}_export/export_config.json", add, "model")
                with self.assertRaisesRegex(ValueError, f"\"model\" in .*export_config.json {_NEWER}"):
                    saving.is_finished(export_dir, today, config_class)

    def test_channel_weights(self):
        path = str(self.folder / "weights" / "channel_weights.json")
        config = WeightTrainConfig("shards/train-*", "vae_model", str(self.folder / "weights"))
        with mock.patch.object(backups, "is_begun", return_value=True):
            today = resuming.earlier_contents(config)
            self.assertEqual(read_channel_weights(path)["latent"].tolist(), [1.0] * 4)
            self.change_json("weights/config.json", remove("num_hard"), "train")
            self.change_json("weights/channel_weights.json", remove("num_hard"), "config")
            self.assertEqual(resuming.earlier_contents(config), today)
            self.assertEqual(read_channel_weights(path)["latent"].tolist(), [1.0] * 4)
            self.change_json("weights/config.json", add, "train")
            self.change_json("weights/channel_weights.json", add, "config")
            with self.assertRaisesRegex(ValueError, _NEWER):
                resuming.earlier_contents(config)
            with self.assertRaisesRegex(ValueError, "from_tomorrow"):
                read_channel_weights(path)


class SearchFilesTest(OldFilesTest):
    def test_features_of_before_and_after_a_setting_are_one_set(self):
        self.change_attribute("query-00000-of-00001.h5", remove("max_num_features"))
        with FeatureReader(str(self.folder / "[iq]*-00000-of-00001.h5")) as images:
            self.assertEqual(len(images), 11)
        with FeatureReader(str(self.folder / "index-*.h5")) as images:
            now = images.config
        self.assertEqual(shards.differing_settings(now, {**now, "max_num_features": 1000}), [])
        self.assertEqual(shards.differing_settings(now, {**now, "from_tomorrow": 1}), ["from_tomorrow"])

    def test_features_of_a_newer_setting_do_not_mix(self):
        self.change_attribute("query-00000-of-00001.h5", add)
        with self.assertRaisesRegex(ValueError, "differ in: from_tomorrow"), \
                FeatureReader(str(self.folder / "[iq]*-00000-of-00001.h5")):
            pass

    def test_indexes(self):
        for name in ("index", "asmk"):
            with self.subTest(name):
                path = str(self.folder / name)
                self.assertEqual(len(building.load_index(path)), 8)
                self.change_json(f"{name}/index.json", remove("num_links"), "config")
                self.assertEqual(len(building.load_index(path)), 8)
                self.change_json(f"{name}/index.json", add, "config")
                with self.assertRaisesRegex(ValueError, f"index.json {_NEWER}"):
                    building.load_index(path)

    def test_a_finished_ranking_is_kept(self):
        path = self.folder / "ranking.h5"
        for change in (lambda requested: None, remove("diffusion_gamma")):
            self.change_attribute("ranking.h5", change, "requested")
            before = path.read_bytes()
            self.search()
            self.assertEqual(path.read_bytes(), before)
        self.search(diffusion_gamma=2.0)
        self.assertNotEqual(path.read_bytes(), before)

    def test_a_ranking_takes_the_defaults_of_what_it_lacks(self):
        path = str(self.folder / "ranking.h5")
        today = read_ranking(path).search_config
        self.change_attribute("ranking.h5", remove("diffusion_gamma"))
        self.assertEqual(read_ranking(path).search_config, today)

    def test_a_calibration(self):
        def apply():
            return calibration.apply(str(self.folder / "calibration.json"),
                                     SearchConfig(num_rerank=4), str(self.folder / "index-*.h5"),
                                     str(self.folder / "index"))

        today = apply()
        self.change_json("calibration.json", remove("diffusion_gamma"), "settings")
        self.change_json("calibration.json", remove("max_num_features"), "features")
        self.assertEqual(apply(), today)
        self.change_json("calibration.json", add)
        with self.assertRaisesRegex(ValueError, f"calibration.json {_NEWER}"):
            apply()

    def test_a_whitening(self):
        path = self.folder / "whitening.npz"

        def change(change: Callable[[dict], None]) -> None:
            with np.load(path) as stored:
                arrays = dict(stored)
            description = json.loads(arrays["description"].item())
            change(description)
            content = io.BytesIO()
            np.savez(content, **{**arrays, "description": np.array(json.dumps(description))})
            path.write_bytes(content.getvalue())

        today = read_whitening(str(path), "model-a", 8).settings
        change(remove("shrinkage"))
        self.assertEqual(read_whitening(str(path), "model-a", 8).settings, today)
        change(add)
        with self.assertRaisesRegex(ValueError, "from_tomorrow"):
            read_whitening(str(path), "model-a", 8)


class CodesTest(OldFilesTest):
    def test_code_shards(self):
        path = str(self.folder / "codes-00000-of-00001.h5")
        today = code_shards.read_codes(path).config

        def check_finished() -> list:
            return shard_stage._check_finished(path, code_shards.read_attributes(path), today,
                                               code_shards.DEFAULTS, "")

        self.assertEqual(check_finished(), [])
        self.change_attribute("codes-00000-of-00001.h5", remove("features"))
        self.assertEqual(check_finished(), [])
        self.assertEqual(len(code_shards.read_codes(path)), 6)
        self.change_attribute("codes-00000-of-00001.h5", add)
        with self.assertRaisesRegex(ValueError, "differ in: from_tomorrow"):
            check_finished()

    def test_indexes_of_codes(self):
        for name in ("flat_codes", "hash_codes"):
            with self.subTest(name):
                path = str(self.folder / name)
                today = CodeIndex.load(path).config
                self.change_json(f"{name}/index.json", remove("num_probes"), "config")
                self.assertEqual(dataclasses.asdict(CodeIndex.load(path).config), dataclasses.asdict(today))
                self.change_json(f"{name}/index.json", add, "config")
                with self.assertRaisesRegex(ValueError, f"index.json {_NEWER}"):
                    CodeIndex.load(path)


if __name__ == "__main__":
    unittest.main()
