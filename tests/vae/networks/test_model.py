import unittest

import numpy as np
import tensorflow as tf

from vae.networks import model
from vae.networks.config import DOMAINS, ModelConfig


def _count(part):
    return sum(int(tf.size(weight)) for weight in part.trainable_weights)


class PaperModelTest(unittest.TestCase):
    """Numbers of the original, specs of the VAE, section 1.1."""

    @classmethod
    def setUpClass(cls):
        cls.model = model.build_vae(ModelConfig())

    def test_number_of_parameters(self):
        expected = {"lower_encoder": 3_025_536, "upper_encoder": 2_360_320, "lower_decoder": 2_360_320,
                    "upper_decoder": 3_394_307}
        for name in ("lower_encoder", "upper_decoder"):
            for domain in DOMAINS:
                self.assertEqual(_count(self.model.get_layer(f"{domain}_{name}")), expected[name])
        for name in ("upper_encoder", "lower_decoder"):
            self.assertEqual(_count(self.model.get_layer(name)), expected[name])
        self.assertEqual(_count(self.model), 17_560_326)

    def test_convolutions(self):
        def convolutions(part):
            return [layer for layer in self.model.get_layer(part).layers
                    if type(layer).__name__ == "Conv2D"]

        lower = convolutions("day_lower_encoder")
        self.assertEqual([(*layer.kernel_size, *layer.strides, layer.filters) for layer in lower],
                         [(7, 7, 1, 1, 64), (4, 4, 2, 2, 128), (4, 4, 2, 2, 256)] + 4 * [(3, 3, 1, 1, 256)])
        self.assertEqual(len(convolutions("upper_encoder")), 4)  # 11 in an encoder, 4 of them shared
        self.assertEqual(len(convolutions("lower_decoder")), 4)  # 8 residual in a decoder, 4 of them shared
        upper = convolutions("night_upper_decoder")
        self.assertEqual([(layer.kernel_size[0], layer.filters) for layer in upper],
                         4 * [(3, 256)] + [(5, 128), (5, 64), (7, 3)])

    def test_a_cell_of_the_latent_sees_80_pixels(self):
        images = tf.Variable(np.random.default_rng(0).uniform(0, 1, (1, 128, 128, 3)).astype(np.float32))
        with tf.GradientTape() as tape:
            latent = model.encode(self.model, images, "day", training=False)["latent"]
            cell = tf.reduce_sum(tf.abs(latent[0, 16, 16]))
        seen = np.abs(tape.gradient(cell, images).numpy()[0]).sum(-1)
        rows = np.flatnonzero(seen.sum(1))
        self.assertEqual(rows[-1] - rows[0] + 1, 80)


class SmallModelTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.model = model.build_vae(ModelConfig(image_size=16, width=1 / 32, learn_variance=True,
                                                normalization="instance", up_normalization="layer"))
        generator = np.random.default_rng(0)
        cls.images = {domain: generator.integers(0, 255, (2, 16, 24, 3), dtype=np.uint8)
                      for domain in DOMAINS}

    def test_named_outputs(self):
        outputs = self.model(self.images)
        shapes = {name: tuple(value.shape) for name, value in outputs.items()}
        latent, image = (2, 4, 6, 8), (2, 16, 24, 3)
        self.assertEqual(shapes, {
            "day_latent": latent, "night_latent": latent, "day_reconstruction": image,
            "night_reconstruction": image, "day_to_night": image, "night_to_day": image})

    def test_outputs_are_encoders_and_decoders_joined(self):
        outputs = self.model(self.images)
        maps = model.encode(self.model, self.images["night"] / np.float32(255), "night", training=False)
        # Kernels add up in an order of their own, and normalisation over 4 x 6 cells widens what they round;
        # the latents of other images differ by more than 0.01.
        np.testing.assert_allclose(maps["latent"], outputs["night_latent"], atol=1e-4)
        np.testing.assert_allclose(model.decode(self.model, maps["latent"], "day", training=False),
                                   outputs["night_to_day"], atol=1e-4)
        self.assertGreater(np.abs(outputs["night_latent"] - outputs["day_latent"]).max(), 0.01)
        self.assertEqual(set(maps), {*model.SHARED_LAYERS, "log_variance"})

    def test_variance_is_one_at_the_start(self):
        maps = model.encode(self.model, self.images["day"] / np.float32(255), "day", training=False)
        np.testing.assert_array_equal(maps["log_variance"], 0)

    def test_refuses_another_domain(self):
        with self.assertRaisesRegex(ValueError, "`domain` must be day or night. Received: domain='dusk'"):
            model.other_domain("dusk")


if __name__ == "__main__":
    unittest.main()
