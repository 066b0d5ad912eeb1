"""Averages of weights: a training is judged by them and keeps them, while its steps go on from its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import keras
import numpy as np
import tensorflow as tf


class WeightAverages:
    """Averages of the variables of a training, to be put in their place and taken out again.

    Args:
        variables: of the model; those of which the others say nothing stay as they are.
        moving: by name of a variable its moving average over the steps.
            Source: Adam, https://arxiv.org/abs/1412.6980, section 7.2.
        start: by name of a variable its value before the first step, which is mixed in.
            Source: WiSE-FT, https://arxiv.org/abs/2109.01903, section 3.
        start_share: of `start` in the mixture, in [0, 1].
    """

    def __init__(self, variables: Iterable[tf.Variable], moving: Mapping[str, tf.Variable],
                 start: Mapping[str, np.ndarray], start_share: float):
        self.moving, self.start, self.start_share = moving, start, start_share
        self._variables = [each for each in variables if each.name in moving or each.name in start]
        self._own: list[np.ndarray] = []  # values of the variables while the averages are in their place

    def show(self) -> None:
        """Puts the averages in the place of the variables, unless they are there."""
        if self._own:
            return
        self._own = [variable.numpy() for variable in self._variables]
        for variable, value in zip(self._variables, self._own):
            if variable.name in self.moving:
                value = self.moving[variable.name].numpy()
            if variable.name in self.start:
                value = (1 - self.start_share) * value + self.start_share * self.start[variable.name]
            variable.assign(value)

    def hide(self) -> None:
        """Gives the variables their own values again."""
        for variable, value in zip(self._variables, self._own):
            variable.assign(value)
        self._own = []


class ShowAverages(keras.callbacks.Callback):
    """Shows averages from the validation on, or from the end of the epoch, to what comes after it."""

    def __init__(self, averages: WeightAverages):
        super().__init__()
        self._supports_tf_logs = True
        self.averages = averages

    def on_test_begin(self, logs=None):
        self.averages.show()

    def on_epoch_end(self, epoch, logs=None):
        self.averages.show()


class HideAverages(keras.callbacks.Callback):
    """Hides averages at the end of each epoch, from what comes after it."""

    def __init__(self, averages: WeightAverages):
        super().__init__()
        self._supports_tf_logs = True
        self.averages = averages

    def on_epoch_end(self, epoch, logs=None):
        self.averages.hide()
