"""Names of images and of their files: as in jpg/NAME.jpg, or as found below a folder.

A file name need not be UTF-8. Such an image is taken like any other: its path opens the file, and its id
shows the odd bytes written out, as in `caf\\xe9`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence

from data_prep.stage.repeats import first_repeated

SUFFIXES = (".jpg", ".jpeg", ".png", ".gif", ".webp", ".jfif", ".jpe", ".bmp", ".tif", ".tiff", ".avif",
            ".heic", ".heif")  # in any case; other files are not looked at
_NOT_READ = {suffix: f"{kind} is not read" for kind, suffixes in {
    "camera raw": ".3fr .arw .cr2 .cr3 .dng .erf .nef .nrw .orf .pef .raf .raw .rw2 .sr2 .srw .x3f",
    "JPEG 2000": ".j2k .jp2 .jpf .jpx", "JPEG XL": ".jxl", "film": ".avi .m4v .mkv .mov .mp4 .mpg .webm .wmv",
    "such an image": ".eps .exr .hdr .ico .pbm .pcx .pgm .pnm .ppm .psd .svg .tga .xcf"}.items()
    for suffix in suffixes.split()}


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


def check_unique(ids: Sequence[str], table: str) -> None:
    """Refuses a column of ids in which one occurs twice.

    Raises:
        ValueError: naming the id and the table.
    """
    twice = first_repeated(ids)
    if twice is not None:
        raise ValueError(f"Image ids of {table} must be unique. Received: {twice!r} twice.")


def path_finder(images_dir: str) -> Callable[[str], str]:
    """A function from an image's name, with or without suffix, to its path relative to `images_dir`.

    Images lie in `images_dir` itself, or in the folder jpg/ in it where there is one. The path of an image
    that does not exist ends in .jpg.
    """
    folder = "jpg" if os.path.isdir(os.path.join(images_dir, "jpg")) else ""

    def find(name: str) -> str:
        stem = os.path.join(folder, name)
        if stem.lower().endswith(SUFFIXES):
            return stem
        paths = [stem + suffix for suffix in SUFFIXES]
        return next((path for path in paths if os.path.exists(os.path.join(images_dir, path))), paths[0])

    return find


def find_images(images_dir: str, passed_over: dict[str, str] | None = None) -> Iterator[str]:
    """Paths of the images below a folder, relative to it, in order; hidden files and folders are passed by.

    Folders that are symbolic links count.

    Args:
        images_dir: the folder.
        passed_over: path -> reason of images and films of formats that are not read; filled on the way.

    Raises:
        FileNotFoundError: if `images_dir` is not a folder.
        ValueError: if links make a folder occur twice, as a loop of them does.
        OSError: for a folder that cannot be read.
    """
    if not os.path.isdir(images_dir):
        raise FileNotFoundError(f"`images_dir` must be a folder. Received: images_dir={images_dir}.")
    found: dict[str, str] = {}
    for folder, folders, names in os.walk(images_dir, onerror=_fail, followlinks=True):
        first = found.setdefault(os.path.realpath(folder), folder)
        if first != folder:
            raise ValueError("Symbolic links must not make a folder of images occur twice. "
                             f"Received: {printable(first)} and {printable(folder)}.")
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        inside = os.path.relpath(folder, images_dir)
        for name in sorted(names):
            path = name if inside == "." else os.path.join(inside, name)
            if not name.startswith(".") and name.lower().endswith(SUFFIXES):
                yield path
            elif passed_over is not None and not name.startswith("."):
                reason = _NOT_READ.get(os.path.splitext(name)[1].lower())
                if reason:
                    passed_over[path] = reason


def ids_of_paths(paths: Iterable[str], images_dir: str) -> dict[str, str]:
    """Image id -> path; the id of an image is its path without suffix.

    Raises:
        ValueError: naming two files that differ only in their suffix.
    """
    path_of: dict[str, str] = {}
    for path in paths:
        image_id = printable(os.path.splitext(path)[0]).replace(os.sep, "/")
        if image_id in path_of:
            first = printable(os.path.join(images_dir, path_of[image_id]))
            raise ValueError("Images of a folder must differ in more than their suffix. "
                             f"Received: {first} and {printable(os.path.basename(path))}.")
        path_of[image_id] = path
    return path_of


def printable(path: str) -> str:
    """A file's path with each byte that is not UTF-8 written out, as in `caf\\xe9.jpg`."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _fail(error: OSError) -> None:
    raise error
