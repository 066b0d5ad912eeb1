import os
import tempfile
import unittest
from unittest import mock

import numpy as np
import tensorflow as tf

from delg.exports import reduced_precision
from delg.exports.extraction_module import ExtractionModule
from delg.exports.loading import ExportedModel
from tests.fixtures.tiny_extraction import RECEPTIVE_FIELD, tiny_model


class HasBfloat16Test(unittest.TestCase):
    def found(self, flags):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "cpuinfo")
            with open(path, "w", encoding="utf-8") as file:
                file.write(f"processor\t: 0\nflags\t\t: {flags}\nbugs\t\t: none\n")
            return reduced_precision.has_bfloat16(path)

    def test_by_the_processors_flags(self):
        self.assertTrue(self.found("fpu avx512_bf16 sse"))
        self.assertTrue(self.found("fpu amx_tile amx_bf16"))
        self.assertFalse(self.found("fpu avx512f avx512_bf16x"))

    def test_not_beside_a_gpu(self):
        with mock.patch.object(tf.config, "list_physical_devices", return_value=["gpu"]):
            self.assertFalse(self.found("avx512_bf16"))

    def test_not_where_nothing_tells(self):
        self.assertFalse(reduced_precision.has_bfloat16("/nowhere/cpuinfo"))


class CosinesTest(unittest.TestCase):
    def test_by_hand(self):
        np.testing.assert_allclose(reduced_precision.cosines(np.array([[3.0, 4], [1, 0], [0, 0]]),
                                                     np.array([[4.0, 3], [0, 9], [1, 0]])), [0.96, 0, 0])

    def test_keypoints_are_matched_by_their_places(self):
        first = np.array([[0, 0.5], [8, 8]]), np.array([[1.0, 0], [0, 1]])
        second = np.array([[8, 8.001], [4, 4], [0, 0.5]]), np.array([[0.0, 2], [1, 1], [1, 1]])
        np.testing.assert_allclose(reduced_precision.keypoint_cosines(first, second), [1, 0.5**0.5])

    def test_places_of_other_dtypes_are_the_same(self):
        place = np.array([[2**-0.5, 3.0]])
        self.assertEqual(reduced_precision.keypoint_cosines((place, np.ones((1, 2))),
                                                    (place.astype(np.float32), np.ones((1, 2)))).size, 1)

    def test_no_place_in_common(self):
        place = np.zeros((1, 2)), np.ones((1, 3))
        self.assertEqual(reduced_precision.keypoint_cosines(place, (place[0] + 1, place[1])).shape, (0,))


class AreAlikeTest(unittest.TestCase):
    def features(self, local_angle=0.0, global_angle=0.0):
        def direction(angle):
            return np.array([[np.cos(angle), np.sin(angle)]])

        return {"boxes": np.zeros((1, 4)), "scales": np.ones(1), "features": 3 * direction(local_angle),
                "global_descriptors": direction(global_angle)}

    def test_cosines_of_both_kinds_count(self):
        self.assertTrue(reduced_precision.are_alike(self.features(), self.features(0.04, 0.04)))  # 0.9992
        self.assertFalse(reduced_precision.are_alike(self.features(), self.features(0.05, 0.0)))  # 0.99875
        self.assertFalse(reduced_precision.are_alike(self.features(), self.features(0.0, 0.05)))

    def test_keypoints_elsewhere_are_not_alike(self):
        moved = {**self.features(), "boxes": np.full((1, 4), 16)}
        self.assertFalse(reduced_precision.are_alike(self.features(), moved))
        self.assertFalse(reduced_precision.are_alike(self.features(),
                                                     {**moved, "boxes": np.full((1, 4), np.nan)}))

    def test_what_a_model_does_not_give_does_not_count(self):
        nothing = {"boxes": np.zeros((0, 4)), "scales": np.zeros(0), "features": np.zeros((0, 0)),
                   "global_descriptors": np.zeros((0, 0))}
        self.assertTrue(reduced_precision.are_alike(nothing, nothing))


class ProbeImageTest(unittest.TestCase):
    def test_is_the_same_every_time_and_has_contrast(self):
        image = reduced_precision.probe_image(64)
        self.assertEqual((image.shape, image.dtype), ((64, 64, 3), np.uint8))
        np.testing.assert_array_equal(image, reduced_precision.probe_image(64))
        self.assertGreater(image.std(), 30)


class ComputeDtypeTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = folder.name
        ExtractionModule(tiny_model(), RECEPTIVE_FIELD).save(cls.folder)

    def opened(self, compute_dtype, available=True, alike=True):
        with mock.patch.object(reduced_precision, "has_bfloat16", return_value=available), \
                mock.patch.object(reduced_precision, "are_alike", return_value=alike):
            return ExportedModel(self.folder, compute_dtype)

    def test_auto_is_bfloat16_where_it_is_there_and_changes_little(self):
        self.assertEqual(self.opened("auto").compute_dtype, "bfloat16")
        self.assertEqual(self.opened("auto", available=False).compute_dtype, "float32")
        self.assertEqual(self.opened("auto", alike=False).compute_dtype, "float32")
        self.assertEqual(self.opened("bfloat16", alike=False).compute_dtype, "bfloat16")
        self.assertEqual(self.opened("float32").compute_dtype, "float32")

    def test_refuses_bfloat16_on_a_processor_without(self):
        with self.assertRaisesRegex(ValueError, "avx512_bf16 or amx_bf16, .* Received: precision='bfloat16'"):
            self.opened("bfloat16", available=False)

    def test_float16_on_gpus_of_which_all_are_fast_with_it(self):
        for capabilities, expected in ((((7, 0), (8, 6)), "float16"), (((7, 5), (6, 1)), ""), ((None,), "")):
            details = iter([{} if found is None else {"compute_capability": found} for found in capabilities])
            with self.subTest(capabilities), \
                    mock.patch.object(tf.config, "list_physical_devices", return_value=capabilities), \
                    mock.patch.object(tf.config.experimental, "get_device_details",
                                      lambda _, details=details: next(details)):
                self.assertEqual(reduced_precision.reduced_type(), expected)

    def test_auto_is_float16_where_it_is_fast_and_changes_little(self):
        with mock.patch.object(reduced_precision, "reduced_type", return_value="float16"):
            self.assertEqual(self.opened("auto").compute_dtype, "float16")
            self.assertEqual(self.opened("auto", alike=False).compute_dtype, "float32")
            self.assertEqual(self.opened("float16", alike=False).compute_dtype, "float16")
            with self.assertRaisesRegex(ValueError, "Received: precision='bfloat16' on another machine"):
                self.opened("bfloat16")

    def test_inputs_and_outputs_stay_at_their_names(self):
        image = np.zeros((16, 24, 3), np.uint8)
        image[4:8, 8:12, 0] = 200
        expected, found = (self.opened(name).extract(image, [1.0, 0.5], [1], 3, 10.0)
                           for name in ("float32", "bfloat16"))
        for name, values in expected.items():
            np.testing.assert_allclose(found[name], values, 0.01, err_msg=name)


if __name__ == "__main__":
    unittest.main()
