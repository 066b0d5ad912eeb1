"""What is known of a published set: its files, their sizes and checksums, and what to do with them.

`size`, `md5` and `sha256` are exact, from the publisher or from a library that checks them; where neither
gives one it is None. `about` is a rough size, for the estimate of disk and time before the server is asked.
"""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class PublicFile:
    """One file: published as base_url/path, kept as output_dir/path."""

    base_url: str
    path: str
    size: int | None = None  # bytes, exact
    about: int | None = None  # bytes, roughly
    md5: str | None = None
    sha256: str | None = None
    md5_path: str | None = None  # under base_url, of a published file that begins with the MD5
    part: int | None = None  # number of this file among many of its kind, as published


@dataclasses.dataclass(frozen=True)
class PublicSet:
    """The files of a set, and what to do with them."""

    homepage: str  # terms and licences
    files: tuple[PublicFile, ...]
    next_command: str  # {dir}: the output folder, {images}: one of the two below
    archives: str = ""  # the images while they are packed; empty: shards cannot be built from them
    unpacked_images: str = ""  # the images once they are unpacked
    unpack_dir: str = ""  # folder in the output folder that the archives unpack into; empty: no archives
    flat: bool = False  # drop the folders inside the archives
    unpack: bool = False  # by default
