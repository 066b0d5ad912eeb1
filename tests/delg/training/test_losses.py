import math
import unittest

import numpy as np
import tensorflow as tf

from delg.training import losses


class ArcfaceLogitsTest(unittest.TestCase):
    def test_margin_is_added_to_the_true_angle(self):
        angles = np.linspace(0.0, math.pi - 0.25, 50)
        cosines = np.float32(np.stack([np.cos(angles), np.full(50, 0.3)], axis=1))
        logits = losses.arcface_logits(cosines, np.zeros(50, np.int32), margin=0.2, scale=10.0)
        np.testing.assert_allclose(logits[:, 0], 10 * np.cos(angles + 0.2), atol=5e-3)
        np.testing.assert_allclose(logits[:, 1], np.full(50, 3.0), rtol=1e-6)

    def test_past_the_last_angle_the_logit_goes_on_falling(self):
        angles = np.linspace(math.pi - 0.4, math.pi, 200)
        logits = losses.arcface_logits(np.float32(np.cos(angles))[:, None], np.zeros(200, np.int32), 0.2, 1.0)
        self.assertTrue((np.diff(logits[:, 0]) <= 1e-6).all())

    def test_gradients_are_finite_at_both_ends(self):
        cosines = tf.constant([[1.0], [-1.0], [1.0000001], [0.99999994]])
        with tf.GradientTape() as tape:
            tape.watch(cosines)
            logits = losses.arcface_logits(cosines, tf.zeros([4], tf.int32), 0.1, 45.25)
        self.assertTrue(np.isfinite(logits).all())
        gradient = tape.gradient(logits, cosines).numpy()
        self.assertTrue(np.isfinite(gradient).all())
        self.assertAlmostEqual(gradient[0, 0], 45.25 * math.cos(0.1), places=3)

    def test_no_margin_gives_scaled_cosines(self):
        cosines = np.float32([[0.5, -0.2]])
        np.testing.assert_allclose(losses.arcface_logits(cosines, [1], 0.0, 2.0), [[1.0, -0.4]], rtol=1e-6)

    def test_bfloat16_cosines_are_computed_in_float32(self):
        logits = losses.arcface_logits(tf.constant([[0.5]], tf.bfloat16), [0], 0.1, 1.0)
        self.assertEqual(logits.dtype, tf.float32)


class CosfaceLogitsTest(unittest.TestCase):
    def test_true_cosine_is_lowered(self):
        logits = losses.cosface_logits(np.float32([[0.5, 0.25]]), [1], margin=0.35, scale=2.0)
        np.testing.assert_allclose(logits, [[1.0, -0.2]], rtol=1e-6)


class MarginsTest(unittest.TestCase):
    def test_rows_have_margins_of_their_own_and_need_not_have_their_class(self):
        cosines = np.float32([[0.5, 0.25], [0.5, 0.25], [0.5, 0.25]])
        for logits in (losses.arcface_logits, losses.cosface_logits):
            found = logits(cosines, np.int32([0, 1, -1]), np.float32([0.1, 0.3, 0.2]), 2.0)
            for row, (place, margin) in enumerate(((0, 0.1), (1, 0.3))):
                alone = logits(cosines[:1], [place], margin, 2.0)[0]
                np.testing.assert_allclose(found[row], alone, rtol=1e-6)
            np.testing.assert_allclose(found[2], [1.0, 0.5], rtol=1e-6)

    def test_margins_fall_with_the_number_of_images(self):  # 16 ** -0.25 is a half
        np.testing.assert_allclose(losses.margins_by_frequency(np.array([0, 1, 16]), 0.05, 0.5, 0.25),
                                   [0.55, 0.55, 0.3], rtol=1e-6)

    def test_the_loss_takes_the_margin_of_the_true_class(self):
        cosines, labels = np.float32([[0.6, 0.1], [0.2, 0.4]]), np.int32([0, 1])
        found = losses.CosineSoftmaxLoss(class_margins=np.float32([0.1, 0.3])).call(labels, cosines)
        for row, margin in enumerate((0.1, 0.3)):
            alone = losses.CosineSoftmaxLoss(margin=margin).call(labels, cosines)[row]
            self.assertAlmostEqual(float(found[row]), float(alone), places=4)


class LossesTest(unittest.TestCase):
    def test_softmax_by_hand(self):  # logits (0, ln 3): -log(3/4) and -log(1/4)
        loss = losses.CosineSoftmaxLoss("softmax", scale=math.log(3))
        value = loss(np.int32([[1], [0]]), np.float32([[0, 1], [0, 1]]))
        self.assertAlmostEqual(float(value), (math.log(4 / 3) + math.log(4)) / 2, places=5)

    def test_each_margin_raises_the_loss(self):
        cosines, labels = np.float32([[0.6, 0.1], [0.2, 0.4]]), np.int32([0, 1])
        plain, arcface, cosface = (float(losses.CosineSoftmaxLoss(kind, 0.3, 10.0)(labels, cosines))
                                   for kind in ("softmax", "arcface", "cosface"))
        self.assertLess(plain, min(arcface, cosface))

    def test_attention_loss_by_hand(self):
        value = losses.AttentionLoss()(np.int32([1]), tf.constant([[0.0, 0.0]], tf.bfloat16))
        self.assertAlmostEqual(float(value), math.log(2), places=6)

    def test_mean_output_loss_is_the_mean_of_the_outputs(self):
        self.assertEqual(float(losses.MeanOutputLoss()(np.zeros([2, 1]), np.float32([[1.0], [4.0]]))), 2.5)

    def test_config_round_trip(self):
        config = losses.CosineSoftmaxLoss("cosface", 0.2, 30.0).get_config()
        self.assertEqual(losses.CosineSoftmaxLoss.from_config(config).get_config(), config)

    def test_refuses_unknown_kind(self):
        with self.assertRaisesRegex(ValueError, "`kind` must be one of arcface, cosface, softmax"):
            losses.CosineSoftmaxLoss("sphereface")

    def test_refuses_margin_beyond_a_right_angle(self):
        with self.assertRaisesRegex(ValueError, r"`margin` must be in \[0, pi/2\]. Received: margin=3.2"):
            losses.CosineSoftmaxLoss(margin=3.2)
