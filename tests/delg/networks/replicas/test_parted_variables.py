import os
import tempfile
import unittest

import numpy as np
import tensorflow as tf

from delg.networks.replicas import parted_variables
from tests.fixtures.replicas import two_replicas

_ROWS = np.arange(10, dtype=np.float32).reshape(5, 2)


def _variable(values=_ROWS):
    variable = tf.Variable(tf.zeros((parted_variables.rows_per_part(5), 2)))
    parted_variables.part_rows(variable, 5)
    parted_variables.assign_parts(variable, lambda first, end: values[first:end])
    return variable


class PartedVariableTest(unittest.TestCase):
    def test_each_replica_has_its_rows(self):
        strategy = two_replicas()
        with strategy.scope():
            variable = _variable()
            self.assertTrue(parted_variables.is_parted(variable))
            found = strategy.experimental_local_results(
                strategy.run(tf.function(lambda: tf.convert_to_tensor(variable), autograph=False)))
            parts = dict(parted_variables.parts(variable))
        np.testing.assert_array_equal(found[0], _ROWS[:3])
        np.testing.assert_array_equal(found[1], [*_ROWS[3:], [0, 0]])
        np.testing.assert_array_equal(parts[0], _ROWS[:3])
        np.testing.assert_array_equal(parts[3], _ROWS[3:])

    def test_one_replica_has_a_plain_variable(self):
        variable = _variable()
        self.assertFalse(parted_variables.is_parted(variable))
        (first, rows), = parted_variables.parts(variable)
        self.assertEqual(first, 0)
        np.testing.assert_array_equal(rows, _ROWS)

    def test_checkpoints_do_not_depend_on_the_number_of_replicas(self):
        with tempfile.TemporaryDirectory() as folder:
            prefix = os.path.join(folder, "one")
            tf.train.Checkpoint(variable=_variable()).write(prefix)
            with two_replicas().scope():
                variable = _variable(0 * _ROWS)
                checkpoint = tf.train.Checkpoint(variable=variable)
                checkpoint.read(prefix).assert_consumed()
                np.testing.assert_array_equal(
                    np.concatenate([rows for _, rows in parted_variables.parts(variable)]), _ROWS)
                for factor in (2, 3):  # the second is of values that came after the first
                    parted_variables.assign_parts(
                        variable, lambda first, end, factor=factor: factor * _ROWS[first:end])
                    checkpoint.write(os.path.join(folder, f"two{factor}"))
            for factor in (2, 3):
                one = _variable(0 * _ROWS)
                tf.train.Checkpoint(variable=one).read(os.path.join(folder, f"two{factor}")).assert_consumed()
                np.testing.assert_array_equal(one, factor * _ROWS)

    def test_parts_of_few_rows(self):  # the last replicas may have none
        self.assertEqual(parted_variables.spans(5, 4), [(0, 2), (2, 4), (4, 5), (5, 5)])
