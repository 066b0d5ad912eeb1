"""Classifiers for very many classes: a row for each class, the rows parted over the replicas.

They have the names and the weight files of the plain classifiers, so either loads the other's.
"""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from delg.networks.replicas import parted_variables, sums

_BLOCK = 4096  # classes that are turned from rows to columns at once, where weights are written; chosen


class _RowClassifier(keras.layers.Layer):
    """A score for each of C classes, from K rows of weights [D] for each of them.

    Under several replicas each has the rows of its part of the classes, see `parted_variables`.

    Args:
        num_classes: C.
        num_rows: K.

    Input shape:
        [B, D].

    Output shape:
        [B, C], float32. Under several replicas it is none that can be computed: training asks for
        `part_scores`.
    """

    def __init__(self, num_classes, num_rows, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.num_classes = num_classes
        self.num_rows = num_rows

    def build(self, input_shape):
        dimensions = input_shape[-1]
        self.stored_shapes = [(dimensions, self.num_rows * self.num_classes)]
        columns = keras.initializers.get("glorot_uniform")(self.stored_shapes[0]).numpy()
        columns = columns.reshape(dimensions, self.num_rows, self.num_classes)
        self.rows = self._add_parted("rows", (self.num_rows, dimensions),
                                     lambda first, end: columns[..., first:end].T)
        self.built = True

    def _add_parted(self, name, shape, values):
        """A variable with a row of `shape` for each class, of the first value that `values` gives."""
        variable = self.add_weight(
            name=name, shape=(parted_variables.rows_per_part(self.num_classes), *shape), initializer="zeros")
        parted_variables.part_rows(variable, self.num_classes)
        parted_variables.assign_parts(variable, values)
        return variable

    def first_class(self):
        """The first class of this replica's part."""
        return sums.replica_index() * parted_variables.rows_per_part(self.num_classes)

    def num_own_classes(self):
        """Classes of this replica's part."""
        return tf.clip_by_value(self.num_classes - self.first_class(), 0,
                                parted_variables.rows_per_part(self.num_classes))

    def part_scores(self, vectors, chosen=None):
        """Scores of vectors [B, D] for classes of this replica's part, [B, S].

        Args:
            vectors: float32.
            chosen: int, [S], which classes of the part, counted from its first; None: all.
        """
        if chosen is None:
            return self._scores(vectors, *self.weights)[:, :self.num_own_classes()]
        return self._scores(vectors, *(tf.gather(weight, chosen) for weight in self.weights))

    def call(self, vectors):
        vectors = tf.cast(vectors, tf.float32)
        if sums.num_replicas() == 1:
            return self._scores(vectors, *self.weights)
        refusal = tf.debugging.Assert(False, [f"{self.name} has a part of its classes on each replica."])
        with tf.control_dependencies([refusal]):
            return tf.zeros([tf.shape(vectors)[0], self.num_classes])

    def save_own_variables(self, store):
        columns = store.create_dataset("0", self.stored_shapes[0], np.float32)
        for first, rows in parted_variables.parts(self.rows):
            for start in range(0, len(rows), _BLOCK):
                block = rows[start:start + _BLOCK]
                for row in range(self.num_rows):
                    begin = row * self.num_classes + first + start
                    columns[:, begin:begin + len(block)] = block[:, row].T

    def load_own_variables(self, store):
        columns, count = store["0"], self.num_classes

        def values(first, end):
            return np.stack([columns[:, row * count + first:row * count + end].T
                             for row in range(self.num_rows)], axis=1)

        parted_variables.assign_parts(self.rows, values)


@keras.saving.register_keras_serializable(package="delg", name="RowCosineClassifier")
class CosineClassifier(_RowClassifier):
    """As `layers.CosineClassifier`, for very many classes.

    Args:
        num_classes: C.
        num_subcenters: directions per class, at least 1.

    Input shape:
        [B, D].

    Output shape:
        [B, C], float32, in [-1, 1] up to rounding; under several replicas it cannot be computed.
    """

    def __init__(self, num_classes, num_subcenters=1, **kwargs):
        super().__init__(num_classes, num_subcenters, **kwargs)
        self.num_subcenters = num_subcenters

    def _scores(self, vectors, rows):
        rows = tf.reshape(rows, [-1, vectors.shape[-1]])
        # Products are divided, not rows: with their gradient, some passes less over as many numbers as rows.
        cosines = _products(tf.math.l2_normalize(vectors, axis=-1), rows) / _norms(rows)
        if self.num_subcenters == 1:
            return cosines
        count = tf.shape(rows)[0] // self.num_subcenters
        return tf.reduce_max(tf.reshape(cosines, [-1, count, self.num_subcenters]), axis=-1)

    def get_config(self):
        return {**super().get_config(), "num_classes": self.num_classes,
                "num_subcenters": self.num_subcenters}


@keras.saving.register_keras_serializable(package="delg", name="RowDense")
class Dense(_RowClassifier):
    """As Keras' Dense without activation, for very many units.

    Args:
        units: C, one for each class.

    Input shape:
        [B, D].

    Output shape:
        [B, C], float32; under several replicas it cannot be computed.
    """

    def __init__(self, units, **kwargs):
        super().__init__(units, 1, **kwargs)
        self.units = units

    def build(self, input_shape):
        super().build(input_shape)
        self.stored_shapes.append((self.num_classes,))
        self.bias = self._add_parted("bias", (), lambda first, end: np.zeros(end - first, np.float32))

    def _scores(self, vectors, rows, bias):
        return _products(vectors, tf.reshape(rows, [-1, vectors.shape[-1]])) + bias

    def save_own_variables(self, store):
        super().save_own_variables(store)
        store["1"] = np.concatenate([values for _, values in parted_variables.parts(self.bias)])

    def load_own_variables(self, store):
        super().load_own_variables(store)
        parted_variables.assign_parts(self.bias, lambda first, end: store["1"][first:end])

    def get_config(self):
        return {**super().get_config(), "units": self.units}


def _products(vectors, rows):
    """Of vectors [B, D] and rows [S, D], [B, S]. The many rows stand first, which takes half the time."""
    return tf.transpose(tf.matmul(rows, vectors, transpose_b=True))


@tf.custom_gradient
def _norms(rows):
    """Of rows [S, D], [S], at least 1e-6. Its gradient is one pass over the rows; TensorFlow's are four."""
    norms = tf.maximum(tf.math.reduce_euclidean_norm(rows, axis=1), 1e-6)
    return norms, lambda upstream: rows * (upstream / norms)[:, None]
