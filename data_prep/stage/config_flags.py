"""Command-line flags made from a settings class: one flag per field, of the same name, default and help."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Collection
from typing import Any, TypeVar

from absl import flags

from data_prep.stage.settings import Setting, setting_of

_Config = TypeVar("_Config")
flags.disclaim_key_flags()  # the flags count as those of the script, so that its --help lists them
_DEFINERS = {"str": flags.DEFINE_string, "int": flags.DEFINE_integer, "float": flags.DEFINE_float,
             "bool": flags.DEFINE_bool, "float | None": flags.DEFINE_float,
             "tuple[str, ...]": flags.DEFINE_multi_string}


def define_flags(config_class: type[_Config], names: Collection[str] = (),
                 **defaults: Any) -> Callable[..., _Config]:
    """Defines a flag for each field of `config_class`, of the help, unit, range and choices of its `Setting`.

    A field without default is a required flag. Numbers of a tuple are given with commas between them; names
    of a tuple by repeating the flag. An optional number is unset by default; a text of digits alone is a
    number where a field takes either.

    Args:
        config_class: settings class whose fields are str, int, float, bool, `float | None`, `int | str`,
            tuples of floats or of ints, or `tuple[str, ...]`.
        names: the fields that get a flag; empty: all.
        defaults: of flags whose default is another than that of their field.

    Returns:
        Function that makes the config from the parsed flags. Its arguments, named as fields, replace the
        defaults of flags that were not given, and set the fields that have no flag.

    Raises:
        TypeError: a field was declared without `setting`.
        ValueError: a field of another type.
    """
    fields = [field for field in dataclasses.fields(config_class) if not names or field.name in names]
    for field in fields:
        _define(field, setting_of(field), defaults.get(field.name, field.default))

    def from_flags(**values: Any) -> _Config:
        given = {field.name: _value_of(field) for field in fields
                 if flags.FLAGS[field.name].present or field.name not in values}
        return config_class(**{**values, **given})

    return from_flags


def define_output(name: str, help: str, required: bool = True, folder: bool = False,
                  renamed: bool = False) -> flags.FlagHolder:
    """Defines the flag of a path to write, which is refused before any work where nothing can be written.

    Args:
        name: of the flag.
        help: of the flag.
        required: it must be given; else it is empty by default, for nothing to write.
        folder: it is a folder of files rather than a file.
        renamed: the folder is made beside its place, and renamed when it is whole.
    """
    holder = flags.DEFINE_string(name, None if required else "", help, required=required)
    _check_output(name, required, folder, renamed)
    return holder


def why_not_written(path: str, folder: bool, renamed: bool = False) -> str:
    """Why nothing of that path can be written, empty if it can; arguments as of `define_output`."""
    place = os.path.abspath(path)
    if os.path.isdir(place) and not folder:
        return "which is a folder"
    if not path:
        return "which is empty"
    if renamed and os.path.ismount(place):
        return "which is a mount; name a folder inside"
    if renamed and os.path.isdir(place):
        place = os.path.dirname(place)
    while not os.path.isdir(place):
        if folder and os.path.lexists(place):
            return f"but {place} is no folder"
        place, folder = os.path.dirname(place), True
    return "" if os.access(place, os.W_OK | os.X_OK) else f"but {place} is read-only"


def _check_output(name: str, required: bool, folder: bool, renamed: bool = False) -> None:
    def check(path: str | None) -> bool:
        wrong = why_not_written(path, folder, renamed) if path or (required and path is not None) else ""
        if wrong:
            raise flags.ValidationError(f"A {'folder' if folder else 'file'} must be possible there. "
                                        f"Received: {path!r}, {wrong}.")
        return True

    flags.register_validator(name, check)


def _define(field: dataclasses.Field, declared: Setting, default: Any) -> None:
    required = default is dataclasses.MISSING
    default = None if required else default
    if tuple(declared.choices) and not declared.many:
        flags.DEFINE_enum(field.name, default, tuple(declared.choices), declared.describe(),
                          required=required)
    elif _is_numbers(field):
        flags.DEFINE_list(field.name, [repr(value) for value in default or ()], declared.describe(),
                          required=required)
    elif field.type == "int | str":
        flags.DEFINE_string(field.name, None if default is None else str(default), declared.describe(),
                            required=required)
    elif field.type in _DEFINERS:
        _DEFINERS[field.type](field.name, default, declared.describe(), required=required)
    else:
        raise ValueError("A field must be str, int, float, bool, float | None, int | str, a tuple of floats, "
                         f"of ints or of any number of str. Received: {field.name} of type {field.type}.")
    if declared.written:
        _check_output(field.name, required, folder=True)


def _is_numbers(field: dataclasses.Field) -> bool:
    return str(field.type).startswith(("tuple[float", "tuple[int"))


def _value_of(field: dataclasses.Field) -> Any:
    value = flags.FLAGS[field.name].value
    if field.type == "int | str" and str(value).isdecimal():
        return int(value)
    if not isinstance(value, list):
        return value
    if not _is_numbers(field):
        return tuple(value)
    number, kind = (int, "whole numbers") if str(field.type).startswith("tuple[int") else (float, "numbers")
    try:
        return tuple(number(item) for item in value if item.strip())
    except ValueError as error:
        raise ValueError(f"`{field.name}` must be {kind} with commas between them. "
                         f"Received: {value}.") from error
