"""delg.exports.graph_calls: functions rewritten as asked for, in these calls alone."""

import os
import tempfile
import unittest

import numpy as np
import tensorflow as tf

from delg.exports import graph_calls, reduced_precision
from delg.networks.backbone import build_backbone
from tests.fixtures import dinov2_reference, lean
from tests.fixtures.tiny_backbone import in_place_of_dinov2


class RewrittenTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        kernel = tf.Variable(tf.random.stateless_normal([3, 3, 8, 8], (0, 0)))

        @tf.function(input_signature=[tf.TensorSpec([1, 16, 16, 8], tf.float32)])
        def deep(maps):
            def step(number, values):
                convolved = tf.nn.conv2d(values, kernel, 1, "SAME") / 10
                return number + 1, tf.cond(number % 2 == 0, lambda: tf.nn.relu(
                    tf.nn.conv2d(convolved, kernel, 1, "SAME")), lambda: convolved)

            return {"result": tf.while_loop(lambda number, _: number < 4, step, (0, maps))[1]}

        cls.function, cls.kernel = deep.get_concrete_function(), kernel
        cls.maps = tf.random.stateless_normal([1, 16, 16, 8], (1, 1))
        cls.expected = cls.function(cls.maps)["result"].numpy()

    def found(self, **how):
        run = graph_calls.rewritten(self.function, ["maps"], ["result"], **how)
        return run({"maps": self.maps})["result"].numpy()

    def test_a_simple_graph_gives_the_same_but_for_rounding(self):
        for is_simple in (False, True):
            np.testing.assert_allclose(self.found(is_simple=is_simple), self.expected, rtol=0, atol=1e-4)

    @unittest.skipUnless(reduced_precision.has_bfloat16(), "This processor has no bfloat16.")
    def test_bfloat16_acts_within_loops_and_branches_and_on_this_call_alone(self):
        for is_simple in (False, True):
            found = self.found(compute_dtype="bfloat16", is_simple=is_simple)
            error = np.abs(found - self.expected).max() / np.abs(self.expected).max()
            self.assertLess(error, 0.05)
            self.assertGreater(error, 2.0**-12)  # float32 alone would err by some 2**-22
        np.testing.assert_allclose(self.function(self.maps)["result"], self.expected, rtol=0, atol=1e-4)


class TokensTest(unittest.TestCase):
    @unittest.skipUnless(reduced_precision.has_bfloat16(), "This processor has no bfloat16.")
    @lean.graphs_are_rewritten()
    def test_a_vision_transformer_bears_bfloat16(self):
        with tempfile.TemporaryDirectory() as folder, in_place_of_dinov2():
            path = os.path.join(folder, "dinov2.safetensors")
            dinov2_reference.write_weights(path)
            model = build_backbone("dinov2_vits14", weights=path)
        image, names = tf.constant(reduced_precision.probe_image(112)[np.newaxis]), ["local", "class_token"]
        function = tf.function(lambda images: [model(images)[name] for name in names])
        function = function.get_concrete_function(image)
        found = graph_calls.rewritten(function, ["images"], names, "bfloat16")({"images": image})
        for name, expected in zip(names, function(image)):
            self.assertTrue(np.any(found[name] != expected))
            cosines = reduced_precision.cosines(np.float64(expected), np.float64(found[name]))
            self.assertGreater(cosines.mean(), reduced_precision.LEAST_COSINE)


if __name__ == "__main__":
    unittest.main()
