import unittest

import numpy as np

from vae.latents.domain_statistics import DomainStatistics, part_weights, whitening_matrix
from vae.networks.config import DOMAINS, ModelConfig
from vae.networks.layers import LatentPooling
from vae.networks.model import build_vae, encode


class WhiteningMatrixTest(unittest.TestCase):
    def test_by_hand(self):  # variances 3 and 1, mean 2: 1 / sqrt(1.5 + 0.1) and 1 / sqrt(0.5 + 0.1)
        np.testing.assert_allclose(whitening_matrix(np.diag([3.0, 1.0])), np.diag([1.6**-0.5, 0.6**-0.5]),
                                   rtol=1e-6)

    def test_takes_out_correlations(self):
        covariance = np.array([[4.0, 1.5, 0.5], [1.5, 2.0, 0.1], [0.5, 0.1, 3.0]])
        matrix = whitening_matrix(covariance).astype(np.float64)
        white = matrix @ (covariance / 3.0 + 0.1 * np.eye(3)) @ matrix
        np.testing.assert_allclose(white, np.eye(3), atol=1e-6)
        np.testing.assert_array_equal(matrix, matrix.T)


class PartWeightsTest(unittest.TestCase):
    def test_by_hand(self):  # parts of two channels; day 0 and night 1 find each other, day 1 and night 0 too
        day = np.array([[[5, 0], [0, 3]], [[0, 5], [3, 0]]], float).reshape(2, 1, 2, 2)
        night = np.array([[[0, 5], [4, 3]], [[5, 0], [3, 4]]], float).reshape(2, 1, 2, 2)
        # The first part agrees with correlation 1, cut to 0.95: 19. The second: 24 / sqrt(18 * 50) = 0.8: 4.
        np.testing.assert_allclose(part_weights(day, night), [[19 / 11.5, 4 / 11.5]], rtol=1e-5)

    def test_only_images_that_find_each_other_count(self):
        day = np.array([[[5, 0], [0, 3]], [[0, 5], [3, 0]]], float).reshape(2, 1, 2, 2)
        night = np.array([[[0, 5], [4, 3]], [[5, 0], [3, 4]]], float).reshape(2, 1, 2, 2)
        alone = np.array([[4.0, 3.0], [-9.0, 9.0]]).reshape(1, 1, 2, 2)  # day 0 has a nearer one
        found = part_weights(day, np.concatenate([night, alone]))
        np.testing.assert_allclose(found, part_weights(day, night))

    def test_all_weigh_one_where_nothing_agrees(self):
        np.testing.assert_array_equal(part_weights(np.ones((1, 2, 2, 1)), -np.ones((1, 2, 2, 1))),
                                      np.ones((2, 2)))


class DomainStatisticsTest(unittest.TestCase):
    def setUp(self):
        rng = np.random.default_rng(0)
        self.vae = build_vae(ModelConfig(image_size=16, width=1 / 32, center_latent=True, whiten_latent=True))
        self.images = {"day": rng.integers(100, 255, (6, 16, 16, 3), dtype=np.uint8),
                       "night": rng.integers(0, 90, (3, 16, 16, 3), dtype=np.uint8)}

    def test_means_and_covariance_are_of_all_images_of_both_domains(self):
        DomainStatistics(self.vae, 2).measure(
            {domain: images[part] for domain, images in self.images.items()}
            for part in (slice(2), slice(2, None)))
        covariances = []
        for domain in DOMAINS:
            latents = encode(self.vae, self.images[domain] / np.float32(255), domain,
                             training=False)["latent"].numpy()
            mean = latents.mean(axis=0)
            np.testing.assert_allclose(self.vae.get_layer(f"{domain}_centring").moving_mean, mean, atol=1e-5)
            parts = LatentPooling(2).parts(latents - mean).numpy().reshape(-1, mean.shape[-1])
            covariances.append(parts.T @ parts / len(parts))
        np.testing.assert_allclose(self.vae.get_layer("latent_whitening").matrix,
                                   whitening_matrix(np.mean(covariances, axis=0)), rtol=1e-2, atol=1e-3)

    def test_part_weights_are_of_whitened_parts(self):
        config = ModelConfig(image_size=16, width=1 / 32, center_latent=True, whiten_latent=True,
                             weigh_parts=True, descriptor_grid=2)
        vae = build_vae(config)
        DomainStatistics(vae, 2).measure({domain: images[part] for domain, images in self.images.items()}
                                         for part in (slice(2), slice(2, None)))
        matrix, parts = vae.get_layer("latent_whitening").matrix.numpy(), []
        for domain in DOMAINS:
            latents = encode(vae, self.images[domain] / np.float32(255), domain, training=False)["latent"]
            parts.append(LatentPooling(2).parts(latents - latents.numpy().mean(axis=0)).numpy() @ matrix)
        found = vae.get_layer("part_weighting").part_weights.numpy()
        np.testing.assert_allclose(found, part_weights(*parts), rtol=1e-2)
        self.assertGreater(np.ptp(found), 0.01)


if __name__ == "__main__":
    unittest.main()
