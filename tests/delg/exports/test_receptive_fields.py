import unittest

import numpy as np
import tensorflow as tf

from delg.exports import receptive_fields


class ReceptiveFieldBoxesTest(unittest.TestCase):
    def test_reference_boxes_at_scale_one(self):
        # rf 291, stride 32, padding 145: box = 32 * [i, j, i, j] + [-145, -145, 145, 145]
        result = receptive_fields.receptive_field_boxes([2, 2], (291, 32, 145), [1.0, 1.0]).numpy()
        np.testing.assert_array_equal(result, [[-145, -145, 145, 145], [-145, -113, 145, 177],
                                               [-113, -145, 177, 145], [-113, -113, 177, 177]])

    def test_each_axis_has_its_own_factor(self):
        # Cell (1, 1) sees pixels 4..7 of the resized image. Height halved: old pixels 8..15, whose middle
        # pairs are at 8.5 and 14.5. Width doubled: centres (4.5 / 2 - .5, 7.5 / 2 - .5).
        result = receptive_fields.receptive_field_boxes([2, 2], (4, 4, 0), [0.5, 2.0]).numpy()
        np.testing.assert_allclose(result[3], [8.5, 1.75, 14.5, 3.25])

    def test_a_map_of_whole_image_has_its_centre(self):
        # One cell that sees all 7 pixels of an image enlarged from 5.
        result = receptive_fields.receptive_field_boxes([1, 1], (7, 7, 0), [7 / 5, 7 / 5]).numpy()[0]
        np.testing.assert_allclose((result[:2] + result[2:]) / 2, [2, 2], atol=1e-6)

    def test_no_cells(self):
        self.assertEqual(receptive_fields.receptive_field_boxes([0, 3], (4, 4, 0), [1.0, 1.0]).shape, (0, 4))


class KeepStrongestTest(unittest.TestCase):
    def test_best_first_with_values(self):
        scores, (values,) = receptive_fields.keep_strongest(
            tf.constant([[1.0, 3.0, 2.0]]), [tf.constant([[[10], [30], [20]]])], tf.constant(2))
        np.testing.assert_array_equal(scores, [[3, 2]])
        np.testing.assert_array_equal(values, [[[30], [20]]])

    def test_ties_stay_in_order(self):
        scores = tf.constant([[1.0, 2.0] * 500])
        _, (cells,) = receptive_fields.keep_strongest(scores, [tf.range(1000)[None]], tf.constant(1000))
        np.testing.assert_array_equal(cells[0], [*range(1, 1000, 2), *range(0, 1000, 2)])

    def test_images_of_a_batch_are_ordered_alone(self):
        _, (cells,) = receptive_fields.keep_strongest(
            tf.constant([[1.0, 2.0], [4.0, 3.0]]), [tf.constant([[0, 1], [2, 3]])], tf.constant(5))
        np.testing.assert_array_equal(cells, [[1, 0], [2, 3]])

    def test_keeps_none(self):
        scores, (cells,) = receptive_fields.keep_strongest(
            tf.constant([[1.0, 2.0]]), [tf.range(2)[None]], tf.constant(0))
        self.assertEqual((scores.shape, cells.shape), ((1, 0), (1, 0)))


if __name__ == "__main__":
    unittest.main()
