"""Tests of vae.weighting.weight_files."""

import numpy as np

from tests.fixtures.temporary_files import FilesTest
from vae.weighting.weight_files import read_channel_weights, write_channel_weights


class ChannelWeightsFileTest(FilesTest):
    def test_what_is_written_is_read(self):
        weights = {"shared_1": np.array([0.5, 1.5], np.float32), "latent": np.array([1.0], np.float32)}
        write_channel_weights(self.path("weights.json"), weights, {"seed": 3})
        found = read_channel_weights(self.path("weights.json"))
        self.assertEqual(list(found), ["shared_1", "latent"])
        for name, expected in weights.items():
            np.testing.assert_allclose(found[name], expected)

    def test_refuses_other_files(self):
        for content in ("no json", "[]", '{"layers": [1]}', '{"layers": {"latent": ["a"]}}'):
            with self.assertRaisesRegex(ValueError, "w.json must be a file of vae.train_channel_weights."):
                read_channel_weights(self.write("w.json", content))

    def test_refuses_negative_weights(self):
        path = self.write("w.json", '{"layers": {"latent": [1, -1]}}')
        with self.assertRaisesRegex(ValueError, "finite and not negative. Received: layer 'latent' of"):
            read_channel_weights(path)
