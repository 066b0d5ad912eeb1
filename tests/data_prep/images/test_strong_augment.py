"""The strong augmentation depends on its seed alone and leaves a photograph a photograph."""

import unittest
import warnings

import numpy as np
import tensorflow as tf

from data_prep.images import strong_augment
from tests.fixtures import photographs

SIZE = 48


def distorted(image, number):
    return _distort(tf.constant(image), tf.constant([7, number], tf.int64)).numpy()


_distort = tf.function(strong_augment.distort)


class DistortTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.image = photographs.pixels(SIZE, SIZE)
        with warnings.catch_warnings(record=True) as cls.warnings:
            warnings.simplefilter("always")
            distorted(cls.image, 0)
        cls.results = [distorted(cls.image, number) for number in range(40)]

    def test_shape_and_type(self):
        self.assertEqual((self.results[0].shape, self.results[0].dtype), ((SIZE, SIZE, 3), np.uint8))

    def test_same_seed_same_pixels(self):
        np.testing.assert_array_equal(distorted(self.image, 3), self.results[3])
        self.assertEqual(len({result.tobytes() for result in self.results}), 40)

    def test_no_black_corners(self):
        grey = np.full((SIZE, SIZE, 3), 128, np.uint8)
        for number in range(20):
            result = distorted(grey, number).astype(int)
            self.assertLess(np.ptp(result.reshape(-1, 3), axis=0).max(), 3)
            self.assertGreater(result.min(), 60)

    def test_colours_and_brightness_change_on_both_sides(self):
        means = np.array([result.mean() for result in self.results]) / self.image.mean()
        self.assertLess(means.min(), 0.85)
        self.assertGreater(means.max(), 1.15)
        deviations = np.array([result.std() for result in self.results]) / self.image.std()
        self.assertLess(deviations.min(), 0.8)
        self.assertGreater(deviations.max(), 1.1)

    def test_turns_both_ways_by_little_and_never_mirrors(self):
        rows, columns = np.mgrid[0:SIZE, 0:SIZE] - (SIZE - 1) / 2
        image = np.clip(128 + 2 * columns, 0, 255)[..., None].repeat(3, -1).astype(np.uint8)
        angles = []
        inside = slice(SIZE // 4, -SIZE // 4)
        for number in range(30):
            result = distorted(image, number).astype(float).mean(-1)[inside, inside]
            slope_y, slope_x = (slope.mean() for slope in np.gradient(result))
            self.assertGreater(slope_x, 0)
            angles.append(np.degrees(np.arctan2(slope_y, slope_x)))
        self.assertLess(min(angles), -4)
        self.assertGreater(max(angles), 4)
        self.assertLess(np.abs(angles).max(), 20)

    def test_some_are_blurred(self):
        noise = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3)).astype(np.uint8)
        roughness = []
        for number in range(30):
            result = distorted(noise, number).astype(float)
            roughness.append(np.abs(np.diff(result, axis=1)).mean() / np.abs(result - result.mean()).mean())
        self.assertGreater(max(roughness), 2 * min(roughness))

    def test_the_library_behind_it_says_nothing(self):
        self.assertEqual([str(warning.message) for warning in self.warnings
                          if "addons" in str(warning.message).lower()], [])


if __name__ == "__main__":
    unittest.main()
