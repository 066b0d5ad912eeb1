"""The public Python API of a package: names that are imported when they are first used."""

from __future__ import annotations

import importlib
import sys
from typing import Any


class PublicNames:
    """`__getattr__` of a package, so that importing the package costs nothing and cannot fail.

    A script may share its name with the function that it calls: the function is what `package.name` gives, as
    long as nobody imports the script as a module. A room may not, since importing rooms is ordinary.

    Args:
        package: `__name__` of the package.
        places: "package.module:ATTRIBUTE" of each public name.
    """

    def __init__(self, package: str, places: dict[str, str]):
        self.package = package
        self.places = places

    def __call__(self, name: str) -> Any:
        if name not in self.places:
            raise AttributeError(f"`{self.package}` has no public name {name!r}. "
                                 f"Public are: {', '.join(self.places)}.")
        module, attribute = self.places[name].split(":")
        value = getattr(importlib.import_module(module), attribute)
        setattr(sys.modules[self.package], name, value)  # found at once from now on
        return value

    def dir(self) -> list[str]:
        """`__dir__` of the package: the names that are not imported yet too."""
        return sorted({*vars(sys.modules[self.package]), *self.places})
