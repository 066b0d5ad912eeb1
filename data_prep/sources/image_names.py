"""Images known by name, as in jpg/NAME.jpg."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

_SUFFIXES = (".jpg", ".jpeg", ".png")


def check_names(names: Iterable[str], source: str) -> None:
    """Refuses names that are used twice, or could lead out of the folder of images.

    Raises:
        ValueError: naming the name and the file it comes from.
    """
    seen: set[str] = set()
    for name in names:
        parts = name.replace("\\", "/").split("/") if isinstance(name, str) else []
        if not parts or "" in parts or ".." in parts or "\0" in name or ":" in parts[0]:
            raise ValueError("Image names must be relative paths without '..'. "
                             f"Received: {name!r} in {source}.")
        if name in seen:
            raise ValueError(f"Image names must be unique. Received: {name!r} twice in {source}.")
        seen.add(name)


def path_finder(images_dir: str) -> Callable[[str], str]:
    """A function from an image's name, with or without suffix, to its path relative to `images_dir`.

    Images lie in `images_dir` itself, or in the folder jpg/ in it where there is one. The path of an image
    that does not exist ends in .jpg.
    """
    folder = "jpg" if os.path.isdir(os.path.join(images_dir, "jpg")) else ""

    def find(name: str) -> str:
        stem = os.path.join(folder, name)
        if stem.lower().endswith(_SUFFIXES):
            return stem
        paths = [stem + suffix for suffix in _SUFFIXES]
        return next((path for path in paths if os.path.exists(os.path.join(images_dir, path))), paths[0])

    return find
