"""The one import of tensorflow-addons, which has ended development; its users say how to replace it."""

from __future__ import annotations

import functools
import types
import warnings


@functools.lru_cache(maxsize=1)
def tensorflow_addons() -> types.ModuleType:
    """The package, without the notice of its end of life and without its compiled operations."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import tensorflow_addons as package
    package.options.disable_custom_kernel()
    return package
