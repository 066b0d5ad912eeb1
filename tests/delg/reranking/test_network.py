import unittest

import keras
import numpy as np

from delg.reranking.network import build_reranker
from delg.reranking.pair_inputs import SIDES, input_specs
from delg.settings.kinds import PAIR_TOKENS
from delg.settings.reranking import RerankerConfig
from tests.fixtures import eager
from tests.fixtures.planar_world import unit


def setUpModule():
    eager.run_eagerly()


def random_inputs(num_pairs=3, num_features=12, dimension=6, num_real=9, seed=0):
    generator = np.random.default_rng(seed)
    inputs = {}
    for side in SIDES:
        inputs[f"{side}_descriptors"] = unit(generator.normal(size=(num_pairs, num_features, dimension)))
        inputs[f"{side}_places"] = generator.uniform(
            -1, 1, (num_pairs, num_features, 3)).astype(np.float32)
        inputs[f"{side}_mask"] = np.tile(np.arange(num_features) < num_real, (num_pairs, 1))
    return inputs


class BuildRerankerTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        keras.utils.set_random_seed(0)
        cls.models = {tokens: build_reranker(RerankerConfig(
            6, tokens, num_features=12, num_matches=8, width=8, num_heads=2)) for tokens in PAIR_TOKENS}

    def logits(self, tokens, inputs):
        return self.models[tokens](inputs)["logit"].numpy()

    def assert_same_logits(self, inputs, others):
        for tokens in self.models:
            with self.subTest(tokens):
                found = self.logits(tokens, inputs)
                self.assertGreater(np.ptp(found), 1e-4)
                np.testing.assert_allclose(self.logits(tokens, others), found, rtol=1e-4, atol=1e-5)

    def test_the_order_of_the_images_changes_nothing(self):
        inputs = random_inputs()
        swapped = {f"{SIDES[name.startswith('query')]}_{name.partition('_')[2]}": value
                   for name, value in inputs.items()}
        self.assert_same_logits(inputs, swapped)

    def test_padding_changes_nothing(self):
        inputs, other = random_inputs(), random_inputs(seed=1)
        padded = {name: np.where(inputs[f"{name.partition('_')[0]}_mask"][..., None], value, other[name])
                  if value.ndim == 3 else value for name, value in inputs.items()}
        self.assert_same_logits(inputs, padded)

    def test_the_order_of_features_changes_nothing(self):
        inputs, order = random_inputs(), np.random.default_rng(2).permutation(12)
        mixed = {name: value[:, order] if name.startswith("index") else value
                 for name, value in inputs.items()}
        self.assert_same_logits(inputs, mixed)

    def test_inputs_are_those_described(self):
        for model in self.models.values():
            self.assertEqual({name: tuple(spec.shape) for name, spec in input_specs(12, 6).items()},
                             {name: tuple(value.shape) for name, value in model.input.items()})

    def test_settings_that_contradict_each_other(self):
        with self.assertRaisesRegex(ValueError, "multiple of `num_heads`. Received: width=10, num_heads=4"):
            RerankerConfig(6, width=10)


if __name__ == "__main__":
    unittest.main()
