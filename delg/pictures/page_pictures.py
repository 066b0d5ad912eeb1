"""Pictures of one page: inside it while they are small together, in a folder beside it otherwise."""

from __future__ import annotations

import glob
import hashlib
import os
import urllib.parse

import numpy as np

from data_prep.stage import files
from delg.pictures import drawing

_MAX_INSIDE = 14_000_000  # characters of all pictures inside a page, which stays below 15 MB


class PagePictures:
    """Takes the pictures of a page and says how the page refers to each.

    The folder is called as the page, with `_pictures` for its suffix; each file is named after what is in it,
    so that an earlier page keeps its own until `remove_others`.

    Args:
        page_path: file that the page is going to be.
        max_inside: characters that all pictures may take inside the page.
    """

    def __init__(self, page_path: str, max_inside: int = _MAX_INSIDE):
        self._folder = os.path.splitext(page_path)[0] + "_pictures"
        self._max_inside, self._num_inside = max_inside, 0
        self._inside: dict[str, bytes] | None = {}
        self._names: set[str] = set()

    def add(self, picture: np.ndarray, quality: int = 80) -> str:
        """Takes a uint8 [h, w, 3] RGB picture; returns the name that `source` knows it by."""
        encoded = drawing.encode_jpeg(picture, quality)
        name = f"{hashlib.sha256(encoded).hexdigest()[:20]}.jpg"
        self._names.add(name)
        if self._inside is None:
            self._write(name, encoded)
            return name
        self._inside[name] = encoded
        self._num_inside += len(encoded) * 4 // 3 + 30  # base64, once for each place on the page
        if self._num_inside > self._max_inside:
            held, self._inside = self._inside, None
            for held_name, held_bytes in held.items():
                self._write(held_name, held_bytes)
        return name

    def source(self, name: str) -> str:
        """What the page has as `src` of a picture, once all pictures are there."""
        if self._inside is not None:
            return drawing.data_uri(self._inside[name])
        return urllib.parse.quote(f"{os.path.basename(self._folder)}/{name}")

    def remove_others(self) -> None:
        """Removes the pictures that an earlier page of this name had and this one has not."""
        kept = self._names if self._inside is None else set()
        for path in glob.glob(os.path.join(glob.escape(self._folder), "[0-9a-f]" * 20 + ".jpg")):
            if os.path.basename(path) not in kept:
                os.remove(path)
        if os.path.isdir(self._folder) and not os.listdir(self._folder):
            os.rmdir(self._folder)

    def _write(self, name: str, encoded: bytes) -> None:
        path = os.path.join(self._folder, name)
        if not os.path.exists(path):
            with files.replacing(path) as temporary, open(temporary, "wb") as file:
                file.write(encoded)
