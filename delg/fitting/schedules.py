"""Learning rates over the course of training.

Keras' own do not serve: PolynomialDecay has no warm-up, and CosineDecay begins its warm-up at rate 0, where a
step is lost, instead of at 1 / (W + 1) of the rate.
"""

from __future__ import annotations

import math

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="delg")
class WarmupDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Rises in equal steps to `learning_rate`, then falls to zero at `num_steps`.

    Source of the cosine: SGDR, https://arxiv.org/abs/1608.03983, equation 5, without restarts.
    Without warm-up the linear form is the one of the DELG paper, section 4.1: rate * (1 - step / num_steps).

    Args:
        learning_rate: highest rate, met at step `warmup_steps`.
        num_steps: steps of the whole training, above `warmup_steps`.
        warmup_steps: steps below the highest rate; step i of them has rate * (i + 1) / (warmup_steps + 1).
        form: "linear", or "cosine" for half a period of a cosine.
    """

    def __init__(self, learning_rate, num_steps, warmup_steps=0, form="linear"):
        super().__init__()
        if form not in ("linear", "cosine"):
            raise ValueError(f"`form` must be one of linear, cosine. Received: form={form!r}.")
        if not 0 <= warmup_steps < num_steps:
            raise ValueError("`warmup_steps` must be in [0, num_steps). "
                             f"Received: warmup_steps={warmup_steps}, num_steps={num_steps}.")
        self.learning_rate = learning_rate
        self.num_steps = num_steps
        self.warmup_steps = warmup_steps
        self.form = form

    def __call__(self, step):
        step = tf.cast(step, tf.float32)
        rise = (step + 1.0) / (self.warmup_steps + 1.0)
        progress = (step - self.warmup_steps) / (self.num_steps - self.warmup_steps)
        progress = tf.clip_by_value(progress, 0.0, 1.0)
        fall = 1.0 - progress if self.form == "linear" else 0.5 * (1.0 + tf.cos(math.pi * progress))
        return self.learning_rate * tf.where(step < self.warmup_steps, rise, fall)

    def get_config(self):
        return {"learning_rate": self.learning_rate, "num_steps": self.num_steps,
                "warmup_steps": self.warmup_steps, "form": self.form}


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
