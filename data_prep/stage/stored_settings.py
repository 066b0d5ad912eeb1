"""Settings that files hold, and versions of this project with fewer or more of them.

A setting that a file lacks came later than the file. Its default is what was done before it existed (whoever
adds a setting keeps this), so the file is read as if it held the default. A setting that this version does
not know came with a newer version, which may have done something this one cannot: the file is refused.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from data_prep.stage.settings import require

_Config = TypeVar("_Config")


def defaults_of(config_class: type) -> dict[str, Any]:
    """Default of every setting that has one, as JSON gives it back: tuples are lists."""
    found = {field.name: field.default for field in dataclasses.fields(config_class)
             if field.default is not dataclasses.MISSING}
    return json.loads(json.dumps(found))


def refuse_unknown(known: Collection[str], stored: Collection[str], source: str) -> None:
    """Checks that a file holds no setting that this version does not know.

    Args:
        known: names of settings.
        stored: those that the file has.
        source: the file, for the message.

    Raises:
        ValueError: it holds others.
    """
    unknown = sorted(set(stored) - set(known))
    require(not unknown, f"{source} must hold settings that this version knows; a newer version wrote it, or "
            "it is no such file.", unknown=", ".join(unknown))


def with_defaults(config_class: type, stored: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Settings of a file, and the defaults of those it lacks.

    Args:
        config_class: settings class of which the file holds values.
        stored: these values by name.
        source: the file, for messages.

    Raises:
        ValueError: it holds settings that the class has not.
    """
    refuse_unknown([field.name for field in dataclasses.fields(config_class)], stored, source)
    return {**defaults_of(config_class), **stored}


def from_stored(config_class: type[_Config], stored: Mapping[str, Any], source: str) -> _Config:
    """The settings that a file holds; arguments as of `with_defaults`.

    Raises:
        ValueError: a setting is unknown, without value and default, or out of range.
    """
    values = with_defaults(config_class, stored, source)
    missing = [field.name for field in dataclasses.fields(config_class) if field.name not in values]
    require(not missing, f"{source} must have the settings {', '.join(missing)}.", found=sorted(stored))
    try:
        return config_class(**{name: tuple(value) if isinstance(value, list) else value
                               for name, value in values.items()})
    except (ValueError, TypeError) as error:
        raise ValueError(f"{source} must hold settings in their ranges. {error}") from error


def differences(first: Mapping[str, Any], second: Mapping[str, Any],
                defaults: Mapping[str, Any]) -> list[str]:
    """Names of settings in which two files differ, sorted; one that is in one of them only has its default.

    Args:
        first: settings of one file, as JSON gives them.
        second: of the other.
        defaults: see `defaults_of`.
    """
    return sorted(name for name in {*first, *second}
                  if first.get(name, defaults.get(name)) != second.get(name, defaults.get(name)))
