"""Variables too large for one replica: each replica of a tf.distribute strategy holds a part of the rows.

Checkpoints hold the whole, so that they do not depend on the number of replicas. Under one replica the
variables are plain ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf
from tensorflow.python.distribute import values as distributed_values
from tensorflow.python.trackable.base import VARIABLE_VALUE_KEY
from tensorflow.python.training.saving import saveable_object_util
from tensorflow.python.training.saving.saveable_object import SaveableObject, SaveSpec

from delg.networks.replicas import sums


class PartedVariable(distributed_values.MirroredVariable):
    """A variable of which each replica has other rows: the first replica the first, and so on.

    TensorFlow has no such variable for training on several replicas. A MirroredVariable is one in all but
    this: its copies on the replicas are updated with one another, and saved as one. Here the optimizer must
    leave its gradients apart, and checkpoints take the rows of each. What is read of it outside of replicas
    is the part of the first.
    """

    def _gather_saveables_for_checkpoint(self):
        return {VARIABLE_VALUE_KEY: lambda name=self._common_name: _PartedSaveable(self, name)}


class _PartedSaveable(SaveableObject):
    """How a checkpoint takes and gives the parts: each is a slice of one tensor."""

    def __init__(self, variable: PartedVariable, name: str):
        self._variable = variable
        self._spans = [(first, end) for first, end in spans(variable.num_rows, sums.num_replicas())
                       if end > first]
        whole = (variable.num_rows, *variable.shape[1:])
        places = [f"{' '.join(map(str, whole))} {first},{end - first}{':-' * (len(whole) - 1)}"
                  for first, end in self._spans]
        own = _own_parts(variable)
        read = {}  # parts of all machines, in one order on each, when the first is asked for

        def rows(part: int, first: int, end: int) -> tf.Tensor:
            if len(own) == sums.num_replicas():
                return own[part][:end - first]
            with tf.init_scope():
                if not read:
                    read.update(parts(variable))
                return tf.constant(read.pop(first))

        host = saveable_object_util.set_cpu0(next(iter(own.values())).device)
        super().__init__(variable, [
            SaveSpec(lambda part=part, span=span: rows(part, *span), place, name, variable.dtype, host)
            for part, (span, place) in enumerate(zip(self._spans, places))], name)

    def restore(self, restored_tensors, restored_shapes):
        values = {first: tensor for (first, _), tensor in zip(self._spans, restored_tensors)}
        assign_parts(self._variable, lambda first, end: values[first])
        return tf.no_op()


def rows_per_part(num_rows: int) -> int:
    """Rows of each part, of which the last parts may leave some unused."""
    return -(-num_rows // sums.num_replicas())


def spans(num_rows: int, num_parts: int) -> list[tuple[int, int]]:
    """First row and end of each part."""
    each = -(-num_rows // num_parts)
    return [(min(part * each, num_rows), min((part + 1) * each, num_rows)) for part in range(num_parts)]


def part_rows(variable: tf.Variable, num_rows: int) -> None:
    """Makes a variable of `rows_per_part` rows, just made in the scope of the present strategy, parted; or
    leaves it as it is, where there is but one replica.
    """
    if sums.num_replicas() > 1:
        variable.__class__ = PartedVariable
        variable.num_rows = num_rows


def is_parted(variable: tf.Variable) -> bool:
    """Whether replicas have other rows of it each; also asked of one's part."""
    if isinstance(variable, distributed_values.DistributedVariable):
        return isinstance(variable, PartedVariable)
    return isinstance(getattr(variable.handle, "_distributed_container", lambda: None)(), PartedVariable)


def assign_parts(variable: tf.Variable, values: Callable[[int, int], np.ndarray]) -> None:
    """Sets the parts of this machine; `values` gives the rows from a first one to an end of the whole."""
    if not is_parted(variable):
        variable.assign(values(0, variable.shape[0]))
        return
    every = spans(variable.num_rows, sums.num_replicas())
    for part, own in _own_parts(variable).items():
        first, end = every[part]
        with tf.device(own.device):
            if end > first:
                own[:end - first].assign(values(first, end))


def parts(variable: tf.Variable) -> Iterator[tuple[int, np.ndarray]]:
    """First row and rows of each part, of other machines too: all of them must ask at once."""
    if not is_parted(variable):
        yield 0, variable.numpy()
        return
    strategy = tf.distribute.get_strategy()
    own = _own_parts(variable)
    for part, (first, end) in enumerate(spans(variable.num_rows, strategy.num_replicas_in_sync)):
        if len(own) == strategy.num_replicas_in_sync:
            rows = own[part].numpy()
        else:
            found = strategy.run(_rows_of, (variable, tf.constant(part)))
            rows = strategy.experimental_local_results(found)[0].numpy()
        if end > first:
            yield first, rows[:end - first]


@tf.function(autograph=False)
def _rows_of(variable: tf.Variable, part: tf.Tensor):
    """The rows of one replica, on every replica."""
    own = tf.convert_to_tensor(variable)
    return sums.sum_over_replicas(tf.where(tf.equal(sums.replica_index(), part), own, 0.0))


@tf.function(autograph=False)
def _index():
    return tf.convert_to_tensor(sums.replica_index())


def _own_parts(variable: tf.Variable) -> dict[int, tf.Variable]:
    """By number the parts that this machine holds."""
    strategy = tf.distribute.get_strategy()
    own = strategy.experimental_local_results(variable)
    if len(own) == strategy.num_replicas_in_sync:
        return dict(enumerate(own))
    return dict(zip(map(int, strategy.experimental_local_results(strategy.run(_index))), own))
