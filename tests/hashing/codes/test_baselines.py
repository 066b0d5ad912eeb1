import unittest

import numpy as np

from hashing.codes import baselines


def _descriptors(count=400, dimension=12, seed=0):
    generator = np.random.default_rng(seed)
    scales = 2.0 ** -np.arange(dimension)
    return (generator.normal(size=(count, dimension)) * scales + 5).astype(np.float32)


class BaselinesTest(unittest.TestCase):
    def test_signs_of_components_equal_those_of_an_eigendecomposition(self):
        data = _descriptors()
        found = baselines.fit_codes("pca_sign", data, 4)(data).astype(int)
        centred = (data - data.mean(axis=0)).astype(np.float64)
        _, directions = np.linalg.eigh(centred.T @ centred)
        expected = (centred @ directions[:, ::-1][:, :4] >= 0).astype(int)
        agreement = (found == expected).mean(axis=0)  # a direction may point either way
        self.assertGreater(np.maximum(agreement, 1 - agreement).min(), 0.99)

    def test_itq_rounds_away_less_than_plain_signs(self):
        """Points near the corners of a turned cube: ITQ gives those of one corner one code."""
        generator = np.random.default_rng(1)
        rotation, _ = np.linalg.qr(generator.normal(size=(6, 6)))
        corners = generator.integers(0, 2, (600, 6))
        data = ((corners * 2 - 1 + 0.05 * generator.normal(size=corners.shape)) @ rotation).astype(np.float32)
        cut_apart = {method: len({(tuple(corner), tuple(code)) for corner, code in zip(
            corners, baselines.fit_codes(method, data, 6)(data))}) for method in baselines.METHODS}
        self.assertEqual(cut_apart["itq"], 64)  # one code for each corner
        self.assertGreater(cut_apart["pca_sign"], 64)

    def test_whitened_components_have_the_deviation_that_is_left(self):
        data = _descriptors()
        deviations = []
        for whitening in (0.0, 0.5, 1.0):
            matrix, offset = baselines.fit_projection("pca_sign", data, 4, whitening=whitening)
            values = data @ matrix + offset
            np.testing.assert_allclose(values.mean(axis=0), 0, atol=1e-3)
            deviations.append(values.std(axis=0))
        np.testing.assert_allclose(deviations[1], deviations[0] ** 0.5, rtol=1e-2)
        np.testing.assert_allclose(deviations[2], 1, rtol=1e-2)

    def test_same_seed_same_codes(self):
        data = _descriptors()
        first, second = (baselines.fit_codes("itq", data, 8, seed=3)(data) for _ in range(2))
        np.testing.assert_array_equal(first, second)

    def test_refusals(self):
        for message, arguments in (("`method` must be one of pca_sign, itq. Received: method='lsh'",
                                    ("lsh", _descriptors(), 4)),
                                   ("Received: code_size=16, 400 descriptors of 12.",
                                    ("itq", _descriptors(), 16))):
            with self.subTest(message), self.assertRaisesRegex(ValueError, message):
                baselines.fit_codes(*arguments)


if __name__ == "__main__":
    unittest.main()
