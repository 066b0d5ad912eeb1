"""Settings say what they are: help, unit, range and choices stand at each field of a settings class, once.

Flags (`config_flags.define_flags`), their help and the checks (`check_fields`) follow from them.
"""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Iterable
from typing import Any

METADATA = "setting"  # key of a `Setting` in the metadata of a field


@dataclasses.dataclass(frozen=True)
class Setting:
    """What a field of a settings class means, and what it may hold.

    Attributes:
        help: one sentence, without its full stop: what the value does, and what special values mean.
        unit: of a number, such as "pixels"; empty: none.
        range: the interval of a number, such as "[0, 1)" or "(0, inf)"; empty: any.
        choices: names that the value may be; empty: any. A `Table` serves, and is read when it is needed.
        many: the value is names of `choices` with commas between them.
        written: the value is the path of a folder that is written to.
    """

    help: str
    unit: str = ""
    range: str = ""
    choices: Iterable[str] = ()
    many: bool = False
    written: bool = False

    def describe(self) -> str:
        """The help, unit and range as sentences; choices and default are for the flag to show."""
        parts = [self.help[0].upper() + self.help[1:] + "."]
        if self.unit:
            parts.append(f"Unit: {self.unit}.")
        if self.range:
            parts.append(f"Must {_rule(self.range)}.")
        if self.many:
            parts.append(f"Of: {', '.join(self.choices)}.")
        return " ".join(parts)


def setting(default: Any = dataclasses.MISSING, **declared: Any) -> Any:
    """A field of a settings class, required where it has no default; arguments as those of `Setting`."""
    return dataclasses.field(default=default, metadata={METADATA: Setting(**declared)})


def like(config_class: type, name: str, default: Any = None, **changes: Any) -> Any:
    """A field that means what a field of another settings class means.

    Args:
        config_class: the class that declares it.
        name: of its field.
        default: another default; None: the one of that field.
        changes: what else is different here, as arguments of `Setting`.
    """
    field = {field.name: field for field in dataclasses.fields(config_class)}[name]
    return dataclasses.field(default=field.default if default is None else default,
                             metadata={METADATA: dataclasses.replace(setting_of(field), **changes)})


def setting_of(field: dataclasses.Field) -> Setting:
    """What a field was declared to mean.

    Raises:
        TypeError: it was declared without `setting`.
    """
    if METADATA not in field.metadata:
        raise TypeError(f"Field {field.name!r} must be declared by `setting`.")
    return field.metadata[METADATA]


def check_fields(config: Any) -> None:
    """Checks each value of a settings class by the range and choices of its field; None passes.

    Raises:
        ValueError: naming the field, what must hold and what came.
    """
    for field in dataclasses.fields(config):
        declared, value = setting_of(field), getattr(config, field.name)
        if value is None:
            continue
        names = [name.strip() for name in value.split(",") if value] if declared.many else [value]
        if declared.many:
            allowed = ", ".join(declared.choices)
            require(set(names) <= set(declared.choices), f"`{field.name}` must be names among {allowed}, "
                    "with commas between them.", **{field.name: value})
        elif tuple(declared.choices):
            require_member(field.name, value, tuple(declared.choices))
        if declared.range:
            numbers = value if isinstance(value, tuple) else (value,)
            require(all(_is_within(number, declared.range) for number in numbers),
                    f"`{field.name}` must {_rule(declared.range)}.", **{field.name: value})


def _bounds(interval: str) -> tuple[float, float]:
    low, high = interval[1:-1].split(",")
    return float(low), float(high)


def _is_within(number: float, interval: str) -> bool:
    low, high = _bounds(interval)
    above = number > low if interval[0] == "(" else number >= low
    below = number < high if interval[-1] == ")" else number <= high
    return above and below or number == high == math.inf


def _rule(interval: str) -> str:
    """An interval in words: what a value must be."""
    low, high = _bounds(interval)
    if high < math.inf:
        return f"be in {interval}"
    if low == 0:
        return "be positive" if interval[0] == "(" else "not be negative"
    return f"be above {low:g}" if interval[0] == "(" else f"be at least {low:g}"


def require(holds: bool, rule: str, **received: Any) -> None:
    """Raises a ValueError of `rule` and the values received, unless it holds."""
    if not holds:
        values = ", ".join(f"{name}={value!r}" for name, value in received.items())
        raise ValueError(f"{rule} Received: {values}.")


def require_suffix(name: str, path: str, known: Iterable[str]) -> str:
    """The suffix of a path, in lower case; a ValueError of the field `name` unless it is one of the known."""
    suffix, suffixes = os.path.splitext(path)[1].lower(), tuple(known)
    require(suffix in suffixes, f"`{name}` must end in {', '.join(suffixes)}.", **{name: path})
    return suffix


def require_member(name: str, value: str, allowed: Iterable[str]) -> None:
    """Raises a ValueError unless the field `name` has one of the allowed values."""
    names = tuple(allowed)
    require(value in names, f"`{name}` must be one of {', '.join(names)}.", **{name: value})
