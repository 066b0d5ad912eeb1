"""What TensorBoard shows of a training."""

from __future__ import annotations

import time
from collections.abc import Mapping

import keras
import numpy as np
import tensorflow as tf

from delg.pictures.drawing import attention_overlay


class TrainingSummaries(keras.callbacks.Callback):
    """At the end of each epoch: its losses and accuracies, the learning rate, images per second, variables.

    Args:
        writer: of the event file.
        batch_size: images per step.
        variables: name to scalar variable to show as well.
    """

    def __init__(self, writer: tf.summary.SummaryWriter, batch_size: int,
                 variables: Mapping[str, tf.Variable] | None = None):
        super().__init__()
        self._supports_tf_logs = True
        self.writer = writer
        self.batch_size = batch_size
        self.variables = dict(variables or {})

    def on_epoch_begin(self, epoch, logs=None):
        self._start = time.monotonic()
        self._steps = 0
        self._seconds = None

    def on_train_batch_end(self, batch, logs=None):
        self._steps = batch + 1

    def on_test_begin(self, logs=None):  # validation is not training time
        self._seconds = time.monotonic() - self._start

    def on_epoch_end(self, epoch, logs=None):
        seconds = self._seconds or time.monotonic() - self._start
        step = int(self.model.optimizer.iterations.numpy())
        values = {**logs, "learning_rate": self.model.optimizer.learning_rate.numpy(),
                  **{name: variable.numpy() for name, variable in self.variables.items()},
                  "images_per_second": self._steps * self.batch_size / max(seconds, 1e-9)}
        with self.writer.as_default(step=step):
            for name, value in values.items():
                tf.summary.scalar(name, float(value))
        self.writer.flush()


class AttentionSummaries(keras.callbacks.Callback):
    """At the end of each epoch: quartiles of the attention scores, and heat maps over a few images.

    Args:
        writer: of the event file.
        attend: images to scores [B, h, w, 1].
        images: uint8, [B, H, W, 3], the same at each epoch.
        receptive_field: (size, stride, padding) of a cell in pixels.
        num_shown: images drawn.
    """

    def __init__(self, writer, attend, images, receptive_field, num_shown=4):
        super().__init__()
        self._supports_tf_logs = True
        self.writer = writer
        self.attend = attend
        self.images = np.asarray(images)
        self.receptive_field = receptive_field
        self.num_shown = num_shown

    def on_epoch_end(self, epoch, logs=None):
        scores = np.asarray(self.attend(self.images))
        step = int(self.model.optimizer.iterations.numpy())
        pictures = [attention_overlay(image, score[..., 0], self.receptive_field)
                    for image, score in zip(self.images[:self.num_shown], scores)]
        with self.writer.as_default(step=step):
            for percent, value in zip((25, 50, 75), np.percentile(scores, (25, 50, 75))):
                tf.summary.scalar(f"attention/percent_{percent}", value)
            tf.summary.image("attention", np.stack(pictures), max_outputs=self.num_shown)
        self.writer.flush()
