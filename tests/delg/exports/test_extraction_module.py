import unittest

import numpy as np
import tensorflow as tf

from delg.exports import extraction_module
from delg.exports.extraction_module import ExtractionModule
from tests.fixtures.tiny_extraction import RECEPTIVE_FIELD, block_image, tiny_model


def controls(scales=(1.0,), max_num=100, threshold=1.0, global_places=()):
    return {"input_scales": tf.constant(scales, tf.float32), "input_max_feature_num": tf.constant(max_num),
            "input_abs_thres": tf.constant(threshold),
            "input_global_scales_ind": tf.constant(global_places, tf.int32)}


class ResizeImagesTest(unittest.TestCase):
    def test_shrinking_averages_over_the_area(self):  # bilinear sampling would miss the corner pixel
        image = block_image(4, 4, (0, 1), (0, 1), colour=(160, 0, 0))[None]
        np.testing.assert_allclose(extraction_module.resize_images(image, tf.constant([1, 1])),
                                   [[[[10, 0, 0]]]])

    def test_enlarging_is_bilinear(self):
        image = np.array([0, 100], np.uint8).reshape(1, 1, 2, 1).repeat(3, axis=3)
        result = extraction_module.resize_images(image, tf.constant([1, 4]))
        np.testing.assert_allclose(result[0, 0, :, 0], [0, 25, 75, 100])


class ExtractionModuleTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.module = ExtractionModule(tiny_model(), RECEPTIVE_FIELD, attention_threshold=7.5)

    def extract(self, image, **kwargs):
        outputs = self.module.extract(input_image=tf.constant(image), **controls(**kwargs))
        return {name: value.numpy() for name, value in outputs.items()}

    def test_outputs_by_hand(self):
        outputs = self.extract(block_image(16, 24, (4, 8), (8, 12)), global_places=[0])
        np.testing.assert_array_equal(outputs["boxes"], [[4, 8, 7, 11]])
        np.testing.assert_array_equal(outputs["features"], [[200, 0, 0]])
        np.testing.assert_array_equal(outputs["scores"], [[200]])
        np.testing.assert_array_equal(outputs["scales"], [1])
        np.testing.assert_array_equal(outputs["global_descriptors"], [[1, 0, 0]])

    def test_boxes_of_a_shrunk_image(self):  # centre of rows 8 to 15 is 11.5, of columns 16 to 23 is 19.5
        outputs = self.extract(block_image(32, 48, (8, 16), (16, 24)), scales=[0.5])
        np.testing.assert_array_equal(outputs["boxes"], [[8.5, 16.5, 14.5, 22.5]])
        np.testing.assert_array_equal(outputs["scales"], [2])

    def test_boxes_of_an_enlarged_image(self):  # rows 2 and 3 become 4 to 7; their centre stays 2.5
        outputs = self.extract(block_image(8, 8, (2, 4), (2, 4)), scales=[2.0], max_num=1)
        np.testing.assert_array_equal(outputs["boxes"], [[1.75, 1.75, 3.25, 3.25]])

    def test_odd_sizes_use_the_factor_that_came_about(self):
        # 25 x 37 becomes 12 x 18 (halves round to even); the last cell sees rows 8 to 11, columns 12 to 15.
        outputs = self.extract(np.full((25, 37, 3), 9, np.uint8), scales=[0.5])
        np.testing.assert_allclose(outputs["boxes"][-1], [8.5 * 25 / 12 - 0.5, 12.5 * 37 / 18 - 0.5,
                                                          11.5 * 25 / 12 - 0.5, 15.5 * 37 / 18 - 0.5], 1e-6)

    def test_strongest_first_over_all_scales(self):
        image = block_image(16, 16, (0, 4), (0, 4), colour=(100, 0, 0))
        image[8:16, 8:16, 0] = 240
        outputs = self.extract(image, scales=[0.5, 1.0], max_num=6)
        np.testing.assert_array_equal(outputs["scores"][:, 0], [240, 240, 240, 240, 240, 100])
        np.testing.assert_array_equal(outputs["scales"], [2, 1, 1, 1, 1, 1])  # equal scores: order of scales
        np.testing.assert_array_equal(outputs["boxes"][1:5, :2], [[8, 8], [8, 12], [12, 8], [12, 12]])

    def test_at_most_max_feature_num(self):
        outputs = self.extract(np.full((16, 16, 3), 9, np.uint8), scales=[1.0, 0.5], max_num=3)
        np.testing.assert_array_equal(outputs["boxes"][:, :2], [[0, 0], [0, 4], [0, 8]])

    def test_threshold_keeps_the_score_that_equals_it(self):
        image = block_image(4, 8, (0, 4), (0, 4), colour=(50, 0, 0))
        image[:, 4:, 0] = 49
        np.testing.assert_array_equal(self.extract(image, threshold=50.0)["scores"], [[50]])
        self.assertEqual(self.extract(image, threshold=51.0)["features"].shape, (0, 3))

    def test_global_descriptors_of_chosen_scales_in_order_of_scales(self):
        # At scale .5 the block fills a quarter of its cell, beside a cell of weaker green.
        image = block_image(16, 16, (0, 4), (0, 4), colour=(160, 0, 0))
        image[8:, 8:, 1] = 40
        outputs = self.extract(image, scales=[1.0, 2.0, 0.5], global_places=[2, 0])
        np.testing.assert_allclose(outputs["global_descriptors"], [np.array([4, 1, 0]) / 17**0.5,
                                                                   np.array([1, 1, 0]) / 2**0.5], 1e-5)

    def test_global_only(self):
        outputs = self.extract(block_image(16, 16, (0, 4), (0, 4)), max_num=0, global_places=[0])
        self.assertEqual({name: value.shape for name, value in outputs.items()},
                         {"boxes": (0, 4), "features": (0, 3), "scales": (0,), "scores": (0, 1),
                          "global_descriptors": (1, 3)})

    def test_a_scaled_side_is_at_least_one_pixel(self):
        images = tf.zeros([1, 1, 40, 3], tf.uint8)
        size = tf.shape(extraction_module.resize_images(images, tf.constant([1, 10])))
        np.testing.assert_array_equal(size, [1, 1, 10, 3])
        outputs = self.extract(np.zeros((1, 64, 3), np.uint8), scales=[0.25])
        self.assertEqual(outputs["features"].shape, (0, 3))

    def test_refuses_a_global_scale_that_is_not_there(self):
        with self.assertRaisesRegex(tf.errors.InvalidArgumentError,
                                    "`input_global_scales_ind` must be places in `input_scales`.*"):
            self.extract(np.zeros((8, 8, 3), np.uint8), global_places=[1])

    def test_one_trace_for_all_sizes(self):
        module = ExtractionModule(tiny_model(), RECEPTIVE_FIELD)
        for height in (8, 12, 20):
            module.extract(input_image=tf.zeros([height, 16, 3], tf.uint8), **controls(scales=[1.0, 0.5]))
        self.assertEqual(module.extract.experimental_get_tracing_count(), 1)

    def test_a_batch_equals_its_images(self):
        images = np.random.default_rng(0).integers(0, 255, (3, 24, 16, 3), np.uint8)
        images[1] = 2  # all below the threshold
        arguments = {"scales": [1.0, 0.5], "threshold": 120.0, "max_num": 9, "global_places": [1]}
        batch = self.module.extract_batch(images=tf.constant(images), **controls(**arguments))
        batch = {name: value.numpy() for name, value in batch.items()}
        for row, image in enumerate(images):
            one, num = self.extract(image, **arguments), batch["num_features"][row]
            self.assertEqual(num, len(one["scales"]))
            np.testing.assert_allclose(batch["global_descriptors"][row], one["global_descriptors"], 1e-5)
            np.testing.assert_allclose(batch["scores"][row, :num], one["scores"][:, 0], 1e-5)
            for name in ("boxes", "features", "scales"):
                np.testing.assert_allclose(batch[name][row, :num], one[name], 1e-5)
                self.assertFalse(batch[name][row, num:].any())
        self.assertEqual(batch["num_features"][1], 0)
        self.assertGreater(batch["num_features"][0], 0)

    def test_threshold_travels_with_the_module(self):
        self.assertEqual(self.module.attention_threshold.numpy(), 7.5)


class HeadsRunTest(unittest.TestCase):
    def count(self, **kwargs):
        model = tiny_model(counted=True)
        module = ExtractionModule(model, RECEPTIVE_FIELD)
        module.extract(input_image=tf.zeros([32, 32, 3], tf.uint8), **controls(**kwargs))
        return tuple(int(model.get_layer(name).count.numpy()) for name in ("global_counter", "local_counter"))

    def test_the_global_head_runs_at_its_scales_only(self):
        self.assertEqual(self.count(scales=[0.5, 1.0, 2.0, 0.25, 0.7], global_places=[1, 4]), (2, 5))

    def test_the_local_head_rests_when_no_features_are_asked_for(self):
        self.assertEqual(self.count(scales=[0.5, 1.0], global_places=[0, 1], max_num=0), (2, 0))


if __name__ == "__main__":
    unittest.main()
