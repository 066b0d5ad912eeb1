"""Formats that features are carried between."""

from __future__ import annotations

INPUT_FORMATS = ("shards", "delg", "delf", "hloc", "mat")
FORMATS = (*INPUT_FORMATS, "colmap")
FOLDER_FORMATS = ("delg", "delf")  # written as a file of each image
