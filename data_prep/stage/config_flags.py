"""Command-line flags made from a settings dataclass: one flag per field, of the same name and default."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Callable
from typing import Any, TypeVar

from absl import flags

_Config = TypeVar("_Config")
flags.disclaim_key_flags()  # the flags count as those of the script, so that its --help lists them


def define_flags(config_class: type[_Config]) -> Callable[..., _Config]:
    """Defines a flag for each field of `config_class`.

    The comment beside a field is the help of its flag. A field without default is a required flag; a tuple
    takes values with commas between them; an optional number is unset by default.

    Args:
        config_class: dataclass whose fields are str, int, float, bool, `float | None` or tuples of floats.

    Returns:
        Function that makes the config from the parsed flags; its arguments, named as fields, replace the
        defaults of flags that were not given.

    Raises:
        ValueError: a field of another type.
    """
    source = inspect.getsource(config_class)
    comments = dict(re.findall(r"^    (\w+): [^#\n]*#\s*(.+)$", source, re.MULTILINE))
    for field in dataclasses.fields(config_class):
        required = field.default is dataclasses.MISSING
        _define(field, comments.get(field.name, field.name), required)

    def from_flags(**defaults: Any) -> _Config:
        given = {field.name: flags.FLAGS[field.name] for field in dataclasses.fields(config_class)}
        values = {name: _from_list(name, flag.value) for name, flag in given.items()}
        return config_class(**{**values, **{name: value for name, value in defaults.items()
                                            if not given[name].present}})

    return from_flags


def _define(field: dataclasses.Field, description: str, required: bool) -> None:
    definers = {"str": flags.DEFINE_string, "int": flags.DEFINE_integer, "float": flags.DEFINE_float,
                "bool": flags.DEFINE_bool, "float | None": flags.DEFINE_float}
    default: Any = None if required else field.default
    if str(field.type).startswith("tuple[float"):
        define, default = flags.DEFINE_list, [repr(value) for value in default]
    elif field.type in definers:
        define = definers[field.type]
    else:
        raise ValueError(f"A field must be str, int, float, bool, float | None or a tuple of floats. "
                         f"Received: {field.name} of type {field.type}.")
    define(field.name, default, f"{description[0].upper()}{description[1:]}.", required=required)


def _from_list(name: str, value: Any) -> Any:
    if not isinstance(value, list):
        return value
    try:
        return tuple(float(item) for item in value)
    except ValueError as error:
        raise ValueError(f"`{name}` must be numbers with commas between them. Received: {value}.") from error
