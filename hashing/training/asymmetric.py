"""Asymmetric training of the last layers: the codes of stored views are unknowns, solved for as it goes."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from hashing.training.config import TrainConfig
from hashing.training.losses import asymmetric


class DatabaseCodes(keras.callbacks.Callback):
    """Codes of stored views: what the network is fitted to, solved for anew each `database_steps` steps.

    The views of the batches since then are the queries of the papers. It is to be among the callbacks of the
    training, its `loss` among the losses, of the batches that `with_rows` gives.

    Args:
        network: from views to a dict with `codes` [B, K]; its signs are the first codes.
        inputs: [N, ...], stored views.
        labels: int, [N].
        rows: int, [num_steps, B], views of each batch.
        config: settings of the whole training.
    """

    def __init__(self, network: keras.Model, inputs: np.ndarray, labels: np.ndarray, rows: np.ndarray,
                 config: TrainConfig):
        super().__init__()
        self._network, self._inputs, self._labels, self._rows = network, inputs, labels, rows
        self._config, self._lengths = config, config.model_config().lengths
        self._encode = tf.function(lambda views: network(views, training=False)["codes"],
                                   reduce_retracing=True)
        self._negative = asymmetric.negative_similarity(labels, labels)
        first = np.where(self._codes(np.arange(len(labels))) < 0, -1, 1)
        self._database = tf.Variable(first.astype(np.float32), trainable=False)

    def loss(self, y_true, y_pred):
        """`asymmetric_losses` of codes, float [B, K], by y_true, int [B, 2]: labels and rows."""
        labels, rows = tf.unstack(tf.cast(y_true, tf.int32), axis=1)
        return asymmetric.asymmetric_losses(y_pred, labels, rows, self._database, self._labels,
                                            self._negative, self._config.database_gamma, self._lengths)

    def with_rows(self, batches: tf.data.Dataset) -> tf.data.Dataset:
        """Batches with a target for `codes`, from those with labels as the target of `code_logits`."""
        def joined(batch, rows):
            inputs, targets = batch
            return inputs, {**targets, "codes": tf.stack(
                [targets["code_logits"], tf.cast(rows, targets["code_logits"].dtype)], axis=1)}

        return tf.data.Dataset.zip((batches, tf.data.Dataset.from_tensor_slices(self._rows))).map(joined)

    def on_train_batch_end(self, batch, logs=None):
        steps = self._config.database_steps
        if (batch + 1) % steps == 0:
            queries = np.unique(self._rows[batch + 1 - steps:batch + 1])
            self._database.assign(asymmetric.solve_database(
                self._database.numpy(), self._codes(queries), queries, self._labels, self._negative,
                self._config.database_gamma, self._lengths))

    def _codes(self, rows: np.ndarray) -> np.ndarray:
        size = self._config.batch_size
        return np.concatenate([
            self._encode(tf.cast(self._inputs[rows[start:start + size]], tf.float32)).numpy()
            for start in range(0, len(rows), size)])
