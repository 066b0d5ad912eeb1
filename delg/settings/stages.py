"""Numbers that change in the course of a training, such as sizes of its images: 224:0,321:30000,512:60000."""

from __future__ import annotations

import bisect
import dataclasses
import re

from data_prep.stage.settings import require

_FORM = re.compile(r"\d+:\d+(,\d+:\d+)*")


@dataclasses.dataclass(frozen=True)
class Stages:
    """A positive whole number for each step of a training.

    Attributes:
        values: one after the other.
        starts: the step that each begins at, 0 the first.
    """

    values: tuple[int, ...]
    starts: tuple[int, ...]

    def at(self, step: int) -> int:
        """The number at a step."""
        return self.values[bisect.bisect_right(self.starts, step) - 1]


def read_stages(name: str, given: int | str, steps_per_epoch: int, num_steps: int) -> Stages:
    """What a setting says: one number, or several with the steps they begin at.

    Args:
        name: of the setting, for messages.
        given: a number, or such as "224:0,321:30000".
        steps_per_epoch: the numbers may change between epochs only.
        num_steps: of the whole training.

    Raises:
        ValueError: it says neither, or changes at a step where it cannot.
    """
    text = f"{given}:0" if isinstance(given, int) else given
    is_read = _FORM.fullmatch(text)
    pairs = [tuple(map(int, part.split(":"))) for part in text.split(",")] if is_read else [(0, 0)]
    values, starts = zip(*pairs)
    is_rising = starts[0] == 0 and all(first < second for first, second in zip(starts, starts[1:]))
    require(min(values) > 0 and is_rising, f"`{name}` must be a positive number, or several with the steps "
            "that they begin at, from 0 on, such as 224:0,321:30000.", **{name: given})
    require(all(step % steps_per_epoch == 0 and step < num_steps for step in starts),
            f"`{name}` must change between epochs, at multiples of `steps_per_epoch` below `num_steps`.",
            **{name: given}, steps_per_epoch=steps_per_epoch, num_steps=num_steps)
    return Stages(values, starts)
