"""Learning rates of deep hashing."""

from __future__ import annotations

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="hashing")
class InverseSqrtWithWarmup(keras.optimizers.schedules.LearningRateSchedule):
    """Rises linearly to `learning_rate`, then falls with the inverse square root of the step.

    With n updates done the next one has rate first + n (rate - first) / W for n < W, and
    rate * (W / n) ** power from n = W on, where both agree.
    Source: the optimizer of the published numbers, which is Adam with this rate.

    Args:
        learning_rate: highest rate, met after W updates.
        warmup_steps: W, at least 1.
        first_learning_rate: rate of the very first update.
        power: of the fall.
    """

    def __init__(self, learning_rate=1e-3, warmup_steps=4000, first_learning_rate=1e-7, power=0.5):
        super().__init__()
        if warmup_steps < 1:
            raise ValueError(f"`warmup_steps` must be at least 1. Received: warmup_steps={warmup_steps}.")
        self.learning_rate = learning_rate
        self.warmup_steps = warmup_steps
        self.first_learning_rate = first_learning_rate
        self.power = power

    def __call__(self, step):
        step = tf.cast(step, tf.float32)
        rise = self.first_learning_rate + step * (
            self.learning_rate - self.first_learning_rate) / self.warmup_steps
        fall = self.learning_rate * (self.warmup_steps / tf.maximum(step, self.warmup_steps)) ** self.power
        return tf.where(step < self.warmup_steps, rise, fall)

    def get_config(self):
        return {"learning_rate": self.learning_rate, "warmup_steps": self.warmup_steps,
                "first_learning_rate": self.first_learning_rate, "power": self.power}
