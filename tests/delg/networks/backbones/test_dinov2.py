import os
import tempfile
import unittest

import numpy as np

from delg.networks import backbone
from delg.settings.untrained import UntrainedConfig
from tests.fixtures import dinov2_reference
from tests.fixtures.make_dinov2_tiny import SIZES, pattern_image
from tests.fixtures.tiny_backbone import in_place_of_dinov2

_NAMES = {"plain": "dinov2_vits14", "registers": "dinov2_vits14_reg"}


class Dinov2Test(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "model.safetensors")

    def _write(self, name, **changes):
        dinov2_reference.write_weights(self.path, name == "registers", **changes)

    def _build(self, name):
        with in_place_of_dinov2():
            return backbone.build_backbone(_NAMES[name], weights=self.path)

    def test_equals_the_reference_implementation_at_three_sizes(self):
        for name in _NAMES:
            self._write(name)
            model = self._build(name)
            for height, width in SIZES:
                with self.subTest(model=name, height=height, width=width):
                    expected = dinov2_reference.arrays()[f"{name}:{height}x{width}"]
                    found = model(pattern_image(height, width)[None])
                    rows, columns = height // 14, width // 14
                    self.assertEqual(found["local"].shape, (1, rows, columns, 16))
                    np.testing.assert_allclose(found["class_token"][0], expected[0], atol=1e-4)
                    np.testing.assert_allclose(found["local"][0], expected[1:].reshape(rows, columns, 16),
                                               atol=1e-4)
                    np.testing.assert_array_equal(found["global"], found["local"])

    def test_what_is_beyond_the_last_whole_patch_changes_nothing(self):
        self._write("plain")
        model = self._build("plain")
        image = pattern_image(41, 30)
        changed = image.copy()
        changed[28:], changed[:, 28:] = 0, 0
        np.testing.assert_array_equal(model(image[None])["local"], model(changed[None])["local"])

    def test_an_image_of_less_than_a_patch_is_one_patch(self):
        self._write("plain")
        self.assertEqual(self._build("plain")(pattern_image(3, 5)[None])["local"].shape, (1, 1, 1, 16))

    def test_vits14_has_the_published_number_of_parameters(self):
        mask_token = 384
        self.assertEqual(backbone.build_network("dinov2_vits14", weights="none").count_params() + mask_token,
                         22_056_576)

    def test_other_files_are_refused(self):
        kernel = "encoder.layer.1.attention.attention.value.weight"
        for changes, message in (
                ({"layernorm.bias": None}, "lacks the tensor layernorm.bias of dinov2_vits14. Found: 4"),
                ({kernel: np.zeros((16, 15), np.float32)},
                 r"does not fit layer 'block1_attention' of dinov2_.* Expected .*\(16, 16\).*\(15, 16\)"),
                ({"embeddings.position_embeddings": np.zeros((1, 50, 16), np.float32)},
                 r"does not fit layer 'position' .*Expected shapes: \[\(1, 26, 16\)\]. Found: .*50"),
                ({"embeddings.register_tokens": np.zeros((1, 4, 16), np.float32)},
                 "no place for the tensor embeddings.register_tokens. Found: 1 such")):
            self._write("plain", **changes)
            with self.assertRaisesRegex(ValueError, message):
                self._build("plain")

    def test_strides_are_those_of_patches(self):
        self.assertEqual(backbone.receptive_field("dinov2_vits14"), (14, 14, 0))
        self.assertEqual(UntrainedConfig("dinov2_vits14").local_stride, 14)
        self._write("plain")
        with in_place_of_dinov2():
            coarse = backbone.build_backbone("dinov2_vits14", weights=self.path, local_stride=28)
        image = pattern_image(70, 56)[None]
        np.testing.assert_allclose(coarse(image)["local"], self._build("plain")(image)["local"][:, ::2, ::2],
                                   atol=1e-6)
        with self.assertRaisesRegex(ValueError, "_vits14 must be 14 or 28, or 0: 14. Received: .*16"):
            UntrainedConfig("dinov2_vits14", local_stride=16)


if __name__ == "__main__":
    unittest.main()
