"""How the fields of a settings class are checked: what must hold, then what came."""

from __future__ import annotations

from typing import Any


def require(holds: bool, rule: str, **received: Any) -> None:
    """Raises a ValueError of `rule` and the values received, unless it holds."""
    if not holds:
        values = ", ".join(f"{name}={value!r}" for name, value in received.items())
        raise ValueError(f"{rule} Received: {values}.")


def require_member(name: str, value: str, allowed: tuple[str, ...]) -> None:
    """Raises a ValueError unless the field `name` has one of the allowed values."""
    require(value in allowed, f"`{name}` must be one of {', '.join(allowed)}.", **{name: value})
