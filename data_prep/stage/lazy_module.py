"""A library imported when first used: it takes long to load, and `--help` needs none of it."""

from __future__ import annotations

import importlib
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
