import os
import tempfile
import unittest

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from vae.networks.config import DOMAINS, ModelConfig
from vae.networks.model import build_vae, encode
from vae.training.events import CentreLatents, Plateau, picture_grid, plateau_rate


class PlateauTest(unittest.TestCase):
    def test_rate_falls_after_epochs_without_a_better_loss(self):
        self.assertEqual(plateau_rate([3, 2, 2.5], 1.0, 2, 0.1), 1.0)
        self.assertAlmostEqual(plateau_rate([3, 2, 2.5, 2], 1.0, 2, 0.1), 0.1)
        self.assertAlmostEqual(plateau_rate([3, 2, 2.5, 2, 2, 2], 1.0, 2, 0.1), 0.01)

    def test_no_patience_means_no_fall(self):
        self.assertEqual(plateau_rate([1, 2, 3, 4], 0.5, 0, 0.1), 0.5)

    def test_rate_of_an_epoch_follows_the_rows_before_it(self):
        model = keras.Sequential([keras.layers.Dense(1, input_shape=(1,))])
        model.compile(optimizer="sgd", loss="mse")
        with tempfile.TemporaryDirectory() as folder:
            pd.DataFrame({"epoch": [0, 1, 2], "val_loss": [1.0, 2.0, 3.0]}).to_csv(
                os.path.join(folder, "history.csv"), index=False)
            event = Plateau(folder, 0.4, 1, 0.5)
            event.set_model(model)
            for epoch, rate in ((0, 0.4), (1, 0.4), (2, 0.2), (3, 0.1)):
                event.on_epoch_begin(epoch)
                self.assertAlmostEqual(float(model.optimizer.learning_rate), rate, places=6)
                event = Plateau(folder, 0.4, 1, 0.5)  # as of a run that is taken up again
                event.set_model(model)

    def test_rate_of_an_epoch_follows_the_losses_of_this_run(self):
        model = keras.Sequential([keras.layers.Dense(1, input_shape=(1,))])
        model.compile(optimizer="sgd", loss="mse")
        event = Plateau("nowhere", 0.4, 1, 0.5)
        event.set_model(model)
        for epoch, (rate, loss) in enumerate(((0.4, 1.0), (0.4, 2.0), (0.2, 3.0), (0.1, 0.5))):
            event.on_epoch_begin(epoch)
            self.assertAlmostEqual(float(model.optimizer.learning_rate), rate, places=6)
            event.on_epoch_end(epoch, {"val_loss": loss})


class CentreLatentsTest(unittest.TestCase):
    def test_means_are_of_all_images(self):
        vae = build_vae(ModelConfig(image_size=8, width=1 / 32, center_latent=True))
        images = {domain: np.random.default_rng(0).integers(0, 255, (6, 8, 8, 3), dtype=np.uint8)
                  for domain in DOMAINS}
        event = CentreLatents(vae, 1, tf.data.Dataset.from_tensor_slices(images).batch(4))
        event.on_epoch_end(0)
        latent = encode(vae, images["night"] / np.float32(255), "night", training=False)["latent"].numpy()
        np.testing.assert_allclose(vae.get_layer("night_centring").moving_mean, latent.mean(0), atol=1e-5)


class PictureGridTest(unittest.TestCase):
    def test_columns(self):
        functions = {f"{name}_day": lambda images, value=value: tf.fill(images.shape, tf.constant(
            value, tf.uint8)) for name, value in (("reconstruct", 1), ("cycle", 2), ("translate", 3))}
        grid = picture_grid(functions, np.zeros((2, 4, 5, 3), np.uint8), "day")
        self.assertEqual(grid.shape, (8, 20, 3))
        np.testing.assert_array_equal(grid[0, ::5, 0], [0, 1, 2, 3])


if __name__ == "__main__":
    unittest.main()
