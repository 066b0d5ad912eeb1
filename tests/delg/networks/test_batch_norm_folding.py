import unittest

import keras
import numpy as np

from delg.networks.batch_norm_folding import fold_batch_norm
from delg.networks.delg import build_delg
from delg.settings.model import ModelConfig


def randomise(model, rng):
    """Gives every BatchNorm statistics and factors that matter."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            randomise(layer, rng)
        elif isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 2, weight.shape) for weight in layer.get_weights()])


def num_batch_norms(model):
    return sum(num_batch_norms(layer) if isinstance(layer, keras.Model) else
               isinstance(layer, keras.layers.BatchNormalization) for layer in model.layers)


class FoldBatchNormTest(unittest.TestCase):
    def setUp(self):
        keras.utils.set_random_seed(0)
        self.rng = np.random.default_rng(0)

    def assert_same(self, model, left):
        randomise(model, self.rng)
        folded = fold_batch_norm(model)
        images = self.rng.uniform(0, 255, (2, 40, 56, 3)).astype(np.float32)
        expected, found = model(images, training=False), folded(images, training=False)
        self.assertEqual(set(found), set(expected))
        for name, values in expected.items():
            np.testing.assert_allclose(found[name], values, 1e-4, 1e-4 * float(np.abs(values).max()), name)
        self.assertEqual(num_batch_norms(folded), left)

    def test_a_delg_model_keeps_its_outputs(self):
        self.assert_same(build_delg(ModelConfig(
            num_classes=3, backbone="resnet18", width=0.125, embedding_dim=8, autoencoder_dim=4,
            attention_dim=8)), left=0)

    def test_folds_where_a_batch_norm_alone_reads_a_linear_convolution(self):
        images = keras.Input((None, None, 3))
        maps = keras.layers.DepthwiseConv2D(3, depth_multiplier=2, name="depthwise")(images)
        maps = keras.layers.BatchNormalization(name="folded", scale=False)(maps)
        twice = keras.layers.Conv2D(4, 1, name="read_twice")(maps)
        kept = keras.layers.BatchNormalization(name="kept")(twice)
        bent = keras.layers.Conv2D(4, 1, activation="relu", name="bent")(kept)
        bent = keras.layers.BatchNormalization(name="after_relu", center=False)(bent)
        model = keras.Model(images, {"sum": keras.layers.Add(name="sum")([twice, bent])})
        self.assert_same(model, left=2)

    def test_leaves_what_is_read_elsewhere_too(self):
        images = keras.Input((None, None, 3))
        tapped = keras.layers.Conv2D(4, 1, name="tapped")(images)
        maps = keras.layers.BatchNormalization(name="of_tapped")(tapped)
        shared = keras.layers.BatchNormalization(name="shared")
        convolved = keras.layers.Conv2D(4, 1, name="convolved")(maps)
        transposed = keras.layers.Conv2DTranspose(5, 1, name="transposed")(maps)
        self.assert_same(keras.Model(images, {
            "tapped": tapped, "convolved": shared(convolved), "maps": shared(maps),
            "transposed": keras.layers.BatchNormalization(name="last")(transposed)}), left=3)

    def test_by_hand(self):
        images = keras.Input((None, None, 1))
        maps = keras.layers.Conv2D(1, 1, use_bias=False, name="conv")(images)
        model = keras.Model(images, keras.layers.BatchNormalization(epsilon=0.0, name="norm")(maps))
        model.set_weights([np.full((1, 1, 1, 1), 3.0), *np.float32([[5], [7], [2], [4]])])
        kernel, bias = fold_batch_norm(model).get_weights()  # 5 (3 x - 2) / sqrt(4) + 7 = 7.5 x + 2
        self.assertEqual((kernel.item(), bias.item()), (7.5, 2))


if __name__ == "__main__":
    unittest.main()
