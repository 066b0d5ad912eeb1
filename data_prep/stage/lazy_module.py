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
def absent(*names: str) -> Iterator[None]:
    """Lets imports of modules fail in the block, as if they were not there; not of those loaded already."""
    kept_out = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(kept_out))
    try:
        yield
    finally:
        for name in kept_out:
            del sys.modules[name]
