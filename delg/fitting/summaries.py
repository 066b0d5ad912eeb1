"""What TensorBoard shows of a training."""

from __future__ import annotations

import time
from collections.abc import Mapping

import cv2
import keras
import numpy as np
import tensorflow as tf


def attention_overlay(image: np.ndarray, scores: np.ndarray,
                      receptive_field: tuple[int, int, int]) -> np.ndarray:
    """A picture with its attention scores as heat on top; each cell is drawn where it looks.

    Args:
        image: uint8, [H, W, 3], RGB.
        scores: float, [h, w], not negative.
        receptive_field: (size, stride, padding) of a cell in pixels.

    Returns:
        uint8, [H, W, 3], RGB; the highest score is bright yellow, zero black-blue.
    """
    size, stride, padding = receptive_field
    centre = (size - 1) / 2 - padding
    columns, rows = np.meshgrid((np.arange(image.shape[1]) - centre) / stride,
                                (np.arange(image.shape[0]) - centre) / stride)
    heat = cv2.remap(np.float32(scores), np.float32(columns), np.float32(rows), cv2.INTER_LINEAR,
                     borderMode=cv2.BORDER_REPLICATE)
    levels = np.uint8(np.round(255 * heat / max(float(heat.max()), 1e-12)))
    colours = cv2.cvtColor(cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
    return cv2.addWeighted(image, 0.4, colours, 0.6, 0)


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
        self._steps += 1

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
