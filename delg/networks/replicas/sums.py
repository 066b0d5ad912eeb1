"""What the replicas of a tf.distribute strategy tell one another inside a step, with its gradient."""

from __future__ import annotations

import tensorflow as tf


@tf.custom_gradient
def sum_over_replicas(values):
    """Sum of `values` over the replicas of the strategy in scope; its gradient is the sum of theirs."""
    def total(each):
        replica = tf.distribute.get_replica_context()
        # TensorFlow's own gradient of all_reduce walks the graphs of all replicas back to their start for
        # each call; a stopped gradient ends the walk at once: ResNet-18 on two replicas is traced in a third.
        if replica is None:
            return each
        return replica.all_reduce(tf.distribute.ReduceOp.SUM, tf.stop_gradient(each))

    return total(values), total


def num_replicas() -> int:
    """Replicas of the strategy in scope, those of other machines among them."""
    return tf.distribute.get_strategy().num_replicas_in_sync


def replica_index():
    """Which of them this is, an int32 scalar; 0 outside of replicas."""
    replica = tf.distribute.get_replica_context()
    return tf.convert_to_tensor(0 if replica is None else replica.replica_id_in_sync_group, tf.int32)


def stack_over_replicas(values):
    """`values` of all replicas, of one shape, as [num_replicas, ...], on each of them."""
    if num_replicas() == 1:
        return values[None]
    own = tf.one_hot(replica_index(), num_replicas(), dtype=values.dtype)
    return sum_over_replicas(tf.tensordot(own, values, axes=0))


def concat_over_replicas(values, filler=0.0):
    """Rows of all replicas, on each of them; where one has fewer than another, `filler` follows its rows.

    Args:
        values: float, [n, C], n of this replica alone.
        filler: float.

    Returns:
        [num_replicas * the largest n, C], and the function from what has as many rows, [..., C'], to those
        of this replica.
    """
    if num_replicas() == 1:
        return values, lambda rows: rows
    own = tf.shape(values)[0]
    longest = tf.cast(tf.reduce_max(stack_over_replicas(tf.cast(own, tf.float32))), tf.int32)
    padded = tf.pad(values, [[0, longest - own], [0, 0]], constant_values=filler)
    first = replica_index() * longest
    rows = tf.reshape(stack_over_replicas(padded), [-1, values.shape[-1]])
    return rows, lambda others: others[first:first + own]
