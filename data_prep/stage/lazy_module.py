"""Libraries that take long to load: imported when first used, or kept out where another would for no need."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Iterator
from typing import Any


class LazyModule:
    """Stands for a module; has what that has.

    Args:
        name: of the module, as imported.
    """

    def __init__(self, name: str):
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(importlib.import_module(self._name), attribute)


@contextlib.contextmanager
def absent(name: str) -> Iterator[None]:
    """Lets imports of a module fail in the block, as if it were not there, unless it is loaded already."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None
    try:
        yield
    finally:
        del sys.modules[name]
