import contextlib
import unittest

import keras
import numpy as np
import tensorflow as tf

from delg.fitting import schedules
from delg.fitting.optimizers import build_optimizer
from delg.networks.replicas import parted_variables, sums
from tests.fixtures.replicas import two_replicas


class BuildOptimizerTest(unittest.TestCase):
    def _step(self, optimizer, values, gradients):
        variables = [tf.Variable(value, name=name) for name, value in values.items()]
        optimizer.apply_gradients(zip(map(tf.constant, gradients), variables))
        return [float(variable) for variable in variables]

    def test_weight_decay_is_real_and_spares_biases_and_batch_norm(self):  # 2 - 0.1 * 0.5 * 2
        optimizer = build_optimizer("sgd", 0.1, weight_decay=0.5)
        names = {"conv/kernel": 2.0, "conv/bias": 2.0, "bn/gamma": 2.0, "bn/beta": 2.0, "gem/power": 2.0}
        values = self._step(optimizer, names, [0.0] * 5)
        np.testing.assert_allclose(values, [1.9, 2, 2, 2, 2], rtol=1e-6)

    def test_slow_variables_take_a_share_of_the_step_and_of_the_decay(self):
        # SGD: -(0.1 * 1 + 0.1 * 0.5 * 2) = -0.2, slow a tenth of that. Adam's first step: -0.1 - 0.1.
        for name in ("sgd", "adam"):
            optimizer = build_optimizer(name, 0.1, weight_decay=0.5, slow_names=["slow/kernel:0"],
                                        slow_factor=0.1)
            values = self._step(optimizer, {"fast/kernel": 2.0, "slow/kernel": 2.0}, [1.0, 1.0])
            np.testing.assert_allclose(values, [1.8, 1.98], rtol=1e-5)

    def test_momentum_of_slow_variables_is_the_full_one(self):  # steps 1 and 1 + 0.9, each times 0.1 * 0.5
        optimizer = build_optimizer("sgd", 0.1, momentum=0.9, slow_names=["w:0"], slow_factor=0.5)
        variable = tf.Variable(0.0, name="w")
        for _ in range(2):
            optimizer.apply_gradients([(tf.constant(1.0), variable)])
        self.assertAlmostEqual(float(variable), -0.1 * 0.5 * 2.9, places=6)

    def test_steps_that_float16_skips_leave_the_schedule(self):  # rates 1, 0.75, 0.5 and 0.25
        for scope in (contextlib.nullcontext, two_replicas().scope):
            with scope():
                optimizer = keras.mixed_precision.LossScaleOptimizer(build_optimizer(
                    "sgd", schedules.WarmupDecay(1.0, 4), momentum=0.0), initial_scale=4.0)
                variable = tf.Variable(0.0)
                optimizer.build([variable])

            @tf.function
            def step(gradient, optimizer=optimizer, variable=variable):
                tf.distribute.get_strategy().run(lambda: optimizer.apply_gradients(
                    [(gradient / sums.num_replicas(), variable)]))

            with scope():
                for gradient in (np.inf, np.nan, 1.0, np.inf, 1.0):
                    step(tf.constant(gradient, tf.float32))
            counts = optimizer.iterations.numpy(), optimizer.inner_optimizer.num_updates.numpy()
            self.assertEqual(counts, (5, 2))
            self.assertAlmostEqual(float(variable.numpy()), -1.75)
            self.assertAlmostEqual(float(optimizer.loss_scale), 1.0)  # halved three times, at least 1

    def test_clips_all_gradients_together(self):  # norm 5 becomes 1
        values = self._step(build_optimizer("sgd", 1.0, momentum=0.0, clip_norm=1.0),
                            {"a": 0.0, "b": 0.0}, [3.0, 4.0])
        np.testing.assert_allclose(values, [-0.6, -0.8], rtol=1e-6)

    def test_clips_after_the_sum_over_replicas(self):
        # Gradients 30 and -29 would be clipped to 1 and -1, whose sum is 0; their sum 1 is not clipped.
        strategy = two_replicas()
        with strategy.scope():
            optimizer = build_optimizer("sgd", 1.0, momentum=0.0, clip_norm=1.0, weight_decay=1e-9,
                                        slow_names=["w:0"], slow_factor=0.5)
            variable = tf.Variable(0.0, name="w")
            optimizer.build([variable])

        @tf.function
        def step():
            def replica_step():
                number = tf.distribute.get_replica_context().replica_id_in_sync_group
                optimizer.apply_gradients([(tf.where(number == 0, 30.0, -29.0), variable)])
            strategy.run(replica_step)

        step()
        self.assertAlmostEqual(float(variable.numpy()), -0.5, places=5)

    def test_rows_of_a_gradient_move_alone(self):
        # As a variable of these rows alone would; the other rows, their moments and decay stay.
        for name in ("sgd", "adam"):
            gradients = [np.float32([[1, 2], [3, 4]]), np.float32([[-1, 1], [0, 2]])]
            optimizer, expected = (build_optimizer(name, 0.1, weight_decay=0.5, clip_norm=2.0,
                                                   slow_names=["w:0", "alone:0"], slow_factor=0.5)
                                   for _ in range(2))
            variable = tf.Variable(tf.ones((4, 2)), name="w")
            alone = tf.Variable(tf.ones((2, 2)), name="alone")
            for gradient in gradients:
                rows = tf.IndexedSlices(tf.constant(gradient), [3, 1], [4, 2])
                optimizer.apply_gradients([(rows, variable)])
                expected.apply_gradients([(tf.constant(gradient), alone)])
            np.testing.assert_allclose(tf.gather(variable, [3, 1]), alone, rtol=1e-5)
            np.testing.assert_array_equal(tf.gather(variable, [0, 2]), tf.ones((2, 2)))

    def test_replicas_move_their_own_parts_clipped_together(self):
        # Gradients 3 and 4 of two parts, norm 5, become 0.6 and 0.8; a shared one of -3 + 3 is 0.
        strategy = two_replicas()
        with strategy.scope():
            optimizer = build_optimizer("sgd", 1.0, momentum=0.0, clip_norm=1.0)
            parted, shared = tf.Variable(tf.zeros((1,)), name="parted"), tf.Variable(0.0, name="shared")
            parted_variables.part_rows(parted, 2)
            optimizer.build([parted, shared])

        @tf.function
        def step():
            def replica_step():
                number = tf.cast(tf.distribute.get_replica_context().replica_id_in_sync_group, tf.float32)
                optimizer.apply_gradients([(tf.reshape(3.0 + number, [1]), parted),
                                           (6.0 * number - 3.0, shared)])
            strategy.run(replica_step)

        with strategy.scope():
            step()
            found = np.concatenate([rows for _, rows in parted_variables.parts(parted)])
        np.testing.assert_allclose(found, [-0.6, -0.8], rtol=1e-6)
        self.assertEqual(float(shared.numpy()), 0.0)

    def test_config_round_trip(self):
        config = build_optimizer("adam", 0.1, weight_decay=0.5, slow_names=["b", "a"]).get_config()
        self.assertEqual((config["decoupled_decay"], config["slow_names"]), (0.5, ["a", "b"]))
        copy = keras.optimizers.get(keras.optimizers.serialize(build_optimizer("sgd", 0.1, weight_decay=0.5)))
        self.assertEqual(copy.decoupled_decay, 0.5)

    def test_refuses_unknown_name(self):
        with self.assertRaisesRegex(ValueError, "`optimizer` must be one of sgd, adam. Received: .*lamb"):
            build_optimizer("lamb", 0.1)
