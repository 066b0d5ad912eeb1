"""One table for each kind of thing: a name, and where the record of that name is written."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Generic, TypeVar

Record = TypeVar("Record")


class Table(Mapping[str, Record], Generic[Record]):
    """Records by name; each is imported when it is first asked for.

    The names alone cost nothing, so that flags, help and checks follow from a table without importing what
    its records need (TensorFlow, FAISS). To add one: write its record in a module, and its line in the table.

    Args:
        kind: what the records are, in the field's words, for messages: "verifier".
        places: "package.module:ATTRIBUTE" of the record of each name, in the order that help shows.
    """

    def __init__(self, kind: str, places: dict[str, str]):
        self.kind = kind
        self.places = places

    def __getitem__(self, name: str) -> Record:
        """The record of a name.

        Raises:
            KeyError: if there is none.
        """
        module, attribute = self.places[name].split(":")
        return getattr(importlib.import_module(module), attribute)

    def __iter__(self) -> Iterator[str]:
        return iter(self.places)

    def __len__(self) -> int:
        return len(self.places)

    def __contains__(self, name: object) -> bool:
        return name in self.places

    def where(self, holds: Callable[[Record], bool]) -> list[str]:
        """The names of the records of which something holds; imports them all."""
        return [name for name in self if holds(self[name])]


def settings_of(table: Table) -> list[type]:
    """The settings classes that the records of a table name, but for those others extend, the last first.

    To be the bases of one class of all settings: fields of the last base come first in it. A record without
    settings of its own has None as its `settings`.
    """
    named = [record.settings for record in table.values() if record.settings is not None]
    return [settings for settings in dict.fromkeys(reversed(named))
            if not any(other is not settings and issubclass(other, settings) for other in named)]


class OrNone(Iterable[str]):
    """The names of a table, then one of none of its records, for a setting that can do without: "none".

    `table.get("none")` is None.

    Args:
        table: of the records.
        other: the last name.
    """

    def __init__(self, table: Table, other: str = "none"):
        self._table = table
        self._other = other

    def __iter__(self) -> Iterator[str]:
        yield from self._table
        yield self._other


class AutoOr(Iterable[str]):
    """The name "auto", then the names of a table, for a setting that is chosen by what it meets."""

    def __init__(self, table: Table):
        self._table = table

    def __iter__(self) -> Iterator[str]:
        yield "auto"
        yield from self._table
