import unittest

import keras
import numpy as np

from hashing.networks.config import ModelConfig
from hashing.networks.model import build_hashing


class ModelTest(unittest.TestCase):
    def test_codes_are_tanh_of_a_linear_layer_on_the_features(self):
        keras.utils.set_random_seed(0)
        model = build_hashing(ModelConfig(width=1 / 16, image_size=32, code_size=16))
        outputs = model(np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)))
        kernel, bias = model.get_layer("code_layer").get_weights()
        self.assertEqual(outputs["features"].shape, (2, 32))
        np.testing.assert_allclose(outputs["code_logits"], outputs["features"] @ kernel + bias, atol=1e-5)
        np.testing.assert_allclose(outputs["codes"], np.tanh(outputs["code_logits"]), atol=1e-5)

    def test_batch_norm_is_an_option(self):
        model = build_hashing(ModelConfig(width=1 / 16, image_size=32, code_size=16, code_batch_norm=True))
        self.assertEqual(model.get_layer("code_norm").output_shape, (None, 16))

    def test_a_vision_transformer_is_a_backbone(self):
        model = build_hashing(ModelConfig(backbone="vit_b32", image_size=64, code_size=8))
        self.assertEqual(model.output["features"].shape, (None, 768))
        self.assertEqual(model.get_layer("backbone").count_params(), 87_455_232 - (49 - 4) * 768)

    def test_transformers_have_no_imagenet_weights_of_keras(self):
        with self.assertRaisesRegex(ValueError, "none or an .npz file; .* Received: .*'imagenet'"):
            build_hashing(ModelConfig(backbone="vit_b16", image_size=32), "imagenet")


if __name__ == "__main__":
    unittest.main()
