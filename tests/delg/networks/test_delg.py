import dataclasses
import functools
import unittest

import numpy as np
import tensorflow as tf

from delg.networks.delg import build_delg, descriptor_model
from delg.settings.model import ModelConfig

TINY = ModelConfig(num_classes=5, backbone="resnet18", width=0.125, embedding_dim=6, autoencoder_dim=4,
                   attention_dim=8)


@functools.cache
def _tiny():
    """With random weights, which stay as they are."""
    return build_delg(TINY)


def _images(seed=0):
    return np.random.default_rng(seed).integers(0, 255, (2, 64, 48, 3), dtype=np.uint8)


class BuildDelgTest(unittest.TestCase):
    def test_descriptors_have_unit_norm_and_scores_are_positive(self):
        outputs = _tiny()(_images())
        np.testing.assert_allclose(np.linalg.norm(outputs["global_descriptor"], axis=1), [1, 1], rtol=1e-5)
        self.assertGreater(float(tf.reduce_min(outputs["attention_scores"])), 0.0)
        self.assertLessEqual(float(tf.reduce_max(tf.abs(outputs["global_cosines"]))), 1 + 1e-5)

    def test_attention_pools_the_decoded_unit_vectors_by_their_scores(self):
        model = build_delg(dataclasses.replace(TINY, attention_pool_scale=16.0))
        names = ("decoder", "attention_scores", "attention_logits")
        inner = tf.keras.Model(model.input, {name: model.get_layer(name).output for name in names})(_images())
        decoded = inner["decoder"].numpy()
        norms = np.maximum(np.linalg.norm(decoded, axis=-1, keepdims=True), 1e-6)
        pooled = (inner["attention_scores"] * decoded / norms).numpy().mean(axis=(1, 2)) * 16
        kernel, bias = model.get_layer("attention_logits").get_weights()
        np.testing.assert_allclose(inner["attention_logits"], pooled @ kernel + bias, rtol=1e-4, atol=1e-5)

    def test_reconstruction_error_is_of_the_local_map(self):
        model = _tiny()
        inner = tf.keras.Model(model.input, [model.get_layer("local_map").output,
                                             model.get_layer("decoder").output])(_images())
        expected = np.mean((inner[0] - inner[1]) ** 2, axis=(1, 2, 3))
        np.testing.assert_allclose(model(_images())["reconstruction_error"], expected, rtol=1e-5)

    def test_without_autoencoder_local_descriptors_are_the_local_map(self):
        model = build_delg(dataclasses.replace(TINY, use_autoencoder=False))
        outputs = model(_images())
        self.assertNotIn("reconstruction_error", outputs)
        self.assertEqual(outputs["local_descriptors"].shape, (2, 4, 3, 32))

    def test_only_the_global_loss_moves_the_backbone(self):
        model = build_delg(TINY)
        backbone = model.get_layer("backbone").trainable_weights
        with tf.GradientTape(persistent=True) as tape:
            outputs = model(_images(), training=True)
            losses = {name: tf.reduce_sum(outputs[name] ** 2)
                      for name in ("global_cosines", "attention_logits", "attention_scores",
                                   "local_descriptors", "reconstruction_error")}
        for name, loss in losses.items():
            gradients = tape.gradient(loss, backbone)
            if name == "global_cosines":
                moved = [gradient is not None and np.any(gradient) for gradient in gradients]
                self.assertGreater(np.mean(moved), 0.95)
            else:
                self.assertEqual({gradient is None for gradient in gradients}, {True}, name)

    def test_each_head_is_moved_by_its_own_loss(self):
        model = build_delg(TINY)
        moves = {"global_cosines": {"whitening", "global_cosines"},
                 "attention_logits": {"attention_hidden", "attention_bn", "attention_scores",
                                      "attention_logits", "encoder", "decoder"},
                 "reconstruction_error": {"encoder", "decoder"}}
        for output, expected in moves.items():
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(model(_images(), training=True)[output] ** 2)
            gradients = tape.gradient(loss, model.trainable_weights)
            found = {weight.name.split("/")[0] for weight, gradient in zip(model.trainable_weights, gradients)
                     if gradient is not None}
            backbone = {weight.name.split("/")[0] for weight in model.get_layer("backbone").weights}
            self.assertEqual(found - backbone, expected)

    def test_bfloat16_outputs_are_float32_and_close(self):
        plain = build_delg(TINY)
        tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
        try:
            mixed = build_delg(TINY)
        finally:
            tf.keras.mixed_precision.set_global_policy("float32")
        mixed.set_weights(plain.get_weights())
        expected, found = plain(_images()), mixed(_images())
        for name in expected:
            self.assertEqual(found[name].dtype, tf.float32, name)
        similarity = tf.reduce_sum(expected["global_descriptor"] * found["global_descriptor"], axis=1)
        self.assertGreater(float(tf.reduce_min(similarity)), 0.99)


class ModelConfigTest(unittest.TestCase):
    def test_refuses_values_out_of_range(self):
        for changes, message in (
                ({"local_stride": 8}, "`local_stride` of .* be 16 or 32, or 0: 16. Received: local_stride=8"),
                ({"num_classes": 0}, "`num_classes` must be at least 1. Received: num_classes=0"),
                ({"embedding_dim": 0}, "`embedding_dim` must be positive. Received: embedding_dim=0"),
                ({"backbone": "resnet50"}, "1.0 for every backbone but resnet18. Received: width=0.125, ")):
            with self.assertRaisesRegex(ValueError, message):
                dataclasses.replace(TINY, **changes)


class DescriptorModelTest(unittest.TestCase):
    def test_computes_the_named_outputs_with_the_same_weights(self):
        model = _tiny()
        part = descriptor_model(model, ("global_descriptor", "attention_scores"))
        outputs = part(_images())
        self.assertEqual(set(outputs), {"global_descriptor", "attention_scores"})
        np.testing.assert_array_equal(outputs["attention_scores"], model(_images())["attention_scores"])
        self.assertNotIn("encoder", {layer.name for layer in part.layers})

    def test_refuses_unknown_output(self):
        with self.assertRaisesRegex(ValueError, r"`outputs` must be among .* Received: \['latent'\]"):
            descriptor_model(_tiny(), ("latent",))
