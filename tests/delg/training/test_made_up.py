"""What docs/extending adds to a training: it is in flags and checks, and a step is trained with it."""

import pathlib
import re
import tempfile
import unittest
from unittest import mock

import numpy as np

from data_prep.images.augmentations import AUGMENTATIONS
from delg.fitting.optimizers import build_optimizer
from delg.networks.backbone import receptive_field
from delg.settings.kinds import BACKBONES, GLOBAL_LOSSES, OPTIMIZERS
from delg.settings.training import TrainConfig
from delg.training import loop
from hashing.networks.config import ModelConfig
from hashing.networks.model import build_hashing
from tests.fixtures import made_up_training, model_dirs, scripts, tiny_shards, tiny_trainings
from vae.networks.stems import build_stem

_ROOT = pathlib.Path(__file__).parents[3]
_LINES = ((BACKBONES, "patches", "tests.fixtures.made_up_backbone:PATCHES"),
          (GLOBAL_LOSSES, "pinched", "tests.fixtures.made_up_training:pinched_logits"),
          (OPTIMIZERS, "adagrad", "tests.fixtures.made_up_training:ADAGRAD"),
          (AUGMENTATIONS, "mirrored", "tests.fixtures.made_up_training:MIRRORED"))


def setUpModule():
    tiny_trainings.use()


class MadeUpTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        for table, name, place in _LINES:
            line = mock.patch.dict(table.places, {name: place})
            line.start()
            self.addCleanup(line.stop)

    def test_are_choices_of_the_flags(self):
        helped = re.sub(r"\s", "", scripts.run("delg.train", "-h").stdout)
        for table, _, _ in _LINES:
            self.assertIn("<" + "|".join(table) + ">", helped)
        refused = scripts.run("delg.train", train_pattern="x", model_dir="y", backbone="patchwork")
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("patches", refused.stderr)

    def test_are_checked(self):
        for field, (table, _, _) in zip(("backbone", "global_loss", "optimizer", "augmentation"), _LINES):
            with self.assertRaisesRegex(ValueError, f"`{field}` must be one of {', '.join(table)}."):
                TrainConfig("shards", "model", **{field: "nothing"})

    def test_a_training_takes_a_step_with_them(self):
        tiny_shards.write_tiny_shards(self.folder)
        config = TrainConfig(
            f"{self.folder}/train-*", f"{self.folder}/model", backbone="patches", width=0.125,
            backbone_weights="none", global_loss="pinched", optimizer="adagrad", augmentation="mirrored",
            image_size=32, batch_size=8, num_steps=1, steps_per_epoch=1, embedding_dim=8, autoencoder_dim=4,
            attention_dim=8)
        untrained = loop.untrained_model(config)
        loop.train(config)
        moved = {name for name, value in model_dirs.read_weights(config.model_dir).items()
                 if not any(value.shape == weight.shape and np.array_equal(value, weight)
                            for weight in untrained.get_weights())}
        self.assertTrue(any(value.shape == (16, 16, 3, 8) for name, value in
                            model_dirs.read_weights(config.model_dir).items() if name in moved))
        self.assertEqual(receptive_field("patches"), (16, 16, 0))

    def test_codes_and_stems_stand_on_the_backbone_too(self):
        model = build_hashing(ModelConfig(backbone="patches", width=0.125, image_size=32, code_size=8))
        self.assertEqual(model.output["features"].shape, (None, 16))
        self.assertEqual(build_stem("patches", 0.125).output_shape[-1], 8)
        with self.assertRaisesRegex(ValueError, "`backbone_weights` of patches must be none or "):
            build_stem("patches", 0.125, "imagenet")

    def test_the_optimizer_has_decoupled_decay(self):
        optimizer = build_optimizer("adagrad", 0.1, weight_decay=0.5)
        self.assertIsInstance(optimizer, made_up_training.DecoupledAdagrad)
        self.assertEqual(optimizer.decoupled_decay, 0.5)

    def test_are_those_of_the_pages(self):
        for page, fixture in (("backbone.md", "made_up_backbone.py"),
                              ("training_option.md", "made_up_training.py")):
            text = (_ROOT / "docs/extending" / page).read_text(encoding="utf-8")
            code = (_ROOT / "tests/fixtures" / fixture).read_text(encoding="utf-8")
            blocks = [block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL)
                      if not block.startswith(" ")]
            self.assertGreaterEqual(len(blocks), 1)
            for block in blocks:
                self.assertIn(block, code)


if __name__ == "__main__":
    unittest.main()
