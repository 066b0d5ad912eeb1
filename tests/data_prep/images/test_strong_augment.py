"""The strong augmentation depends on its seed alone and leaves a photograph a photograph."""

import math
import unittest

import cv2
import numpy as np
import tensorflow as tf
from scipy import ndimage

from data_prep.images import strong_augment
from tests.fixtures import photographs

SIZE = 48


def distorted(image, number):
    return _distort(tf.constant(image), tf.constant([7, number], tf.int64)).numpy()


_distort = tf.function(strong_augment.distort)


def slowly_distorted(image, number):
    """What the module's docstrings say, step by step, before rounding; and the deviation of the blur."""
    draws = tf.random.stateless_uniform([8], tf.constant([7 ^ 0x5745, number], tf.int64), -1.0, 1.0).numpy()
    angle, shear_x, shear_y, hue, saturation, contrast, brightness, blur = draws.astype(float)
    angle, hue = math.radians(12) * angle, math.radians(12) * hue
    rotation = [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    matrix = (np.array(rotation) @ [[1, 0.12 * shear_x], [0.12 * shear_y, 1]])[::-1, ::-1]  # of y, x
    offset = (SIZE - 1) / 2 * (1 - matrix.sum(axis=1))
    deviation = (0, 0, 0, 0.7, 1.2, 1.8)[int((blur + 1) / 2 * 6)]
    planes = []
    for plane in np.moveaxis(image.astype(float), -1, 0):
        plane = ndimage.affine_transform(plane, matrix, offset, order=1, mode="reflect")
        planes.append(ndimage.gaussian_filter(plane, deviation, radius=4, mode="mirror") if deviation
                      else plane)
    turn = np.eye(3)
    turn[1:, 1:] = (1 + saturation / 2) * np.array([[math.cos(hue), math.sin(hue)],
                                                    [-math.sin(hue), math.cos(hue)]])
    to_yiq = np.array([[0.299, 0.596, 0.211], [0.587, -0.274, -0.523], [0.114, -0.322, 0.312]])
    pixels = np.stack(planes, axis=-1) @ to_yiq @ turn @ np.linalg.inv(to_yiq)
    pixels = (pixels - pixels.mean()) * (1 + 0.4 * contrast) + pixels.mean()
    return pixels * (1 + 0.3 * brightness), deviation


class DistortTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.image = photographs.pixels(SIZE, SIZE)
        cls.results = [distorted(cls.image, number) for number in range(40)]

    def test_shape_and_type(self):
        self.assertEqual((self.results[0].shape, self.results[0].dtype), ((SIZE, SIZE, 3), np.uint8))

    def test_same_seed_same_pixels(self):
        np.testing.assert_array_equal(distorted(self.image, 3), self.results[3])
        self.assertEqual(len({result.tobytes() for result in self.results}), 40)

    def test_threads_of_opencv_do_not_matter(self):
        large = self.image.repeat(8, 0).repeat(8, 1)
        self.addCleanup(cv2.setNumThreads, cv2.getNumThreads())
        results = []
        for count in (1, 3):
            cv2.setNumThreads(count)
            results.append([distorted(large, number) for number in range(6)])
        np.testing.assert_array_equal(*results)

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

    def test_pixels_are_those_of_a_slow_computation(self):
        blurs = set()
        for number in range(16):
            expected, deviation = slowly_distorted(self.image, number)
            blurs.add(deviation)
            difference = np.abs(self.results[number].astype(float) - np.clip(expected, 0, 255))
            self.assertLess(difference.mean(), 0.6)  # results are rounded
            self.assertLess(difference.max(), 2.5)
        self.assertEqual(blurs, {0, 0.7, 1.2, 1.8})


if __name__ == "__main__":
    unittest.main()
