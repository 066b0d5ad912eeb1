"""Schedules of the learning rate as settings name them; their rules need no TensorFlow, their rates do."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable
from typing import Any


@dataclasses.dataclass(frozen=True)
class Schedule:
    """How the learning rate goes over the steps of a training.

    Settings ask it whether a warm-up fits, before TensorFlow is imported: import Keras in `build` only.

    Attributes:
        build: from the highest rate, the steps of the training and those of the warm-up to a
            keras.optimizers.schedules.LearningRateSchedule.
        falls_to_zero: at the last step, so that the warm-up has to end before; else there has to be one.
    """

    build: Callable[[float, int, int], Any]
    falls_to_zero: bool = True


def _rates(name: str, *arguments: Any) -> Any:
    return getattr(importlib.import_module("delg.fitting.schedules"), name)(*arguments)


LINEAR = Schedule(lambda rate, num_steps, warmup: _rates("WarmupDecay", rate, num_steps, warmup, "linear"))
COSINE = Schedule(lambda rate, num_steps, warmup: _rates("WarmupDecay", rate, num_steps, warmup, "cosine"))
INVERSE_SQRT = Schedule(lambda rate, _num_steps, warmup: _rates("InverseSqrtWithWarmup", rate, warmup),
                        falls_to_zero=False)
