"""Names that must not occur twice, such as ids of images: which one does."""

from __future__ import annotations

from collections.abc import Container, Iterable


def first_repeated(names: Iterable[str], known: Container[str] = ()) -> str | None:
    """The first name that is among the known ones or came before; None where all are new and different."""
    seen: set[str] = set()
    for name in names:
        if name in seen or name in known:
            return name
        seen.add(name)
    return None
