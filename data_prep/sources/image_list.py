"""A plain list of images: a path a line, or a path and a label with a tab or a comma between them."""

from __future__ import annotations

import dataclasses
import os

import numpy as np

from data_prep.sources.collection import ImageCollection, SplitImages
from data_prep.sources.formats.image_names import SUFFIXES, check_names, printable
from data_prep.sources.source import Source, need, tables_given
from data_prep.stage.settings import setting


@dataclasses.dataclass(frozen=True)
class Settings:
    """Where the list is."""

    image_list: str = setting(
        "", help="list, distractors: a path a line; list: and a label, after a tab or a comma")


def read_collection(images_dir: str, image_list: str) -> ImageCollection:
    """The images of the list: a split `train` if it has labels, else a split `index`, to be searched.

    The id of an image is its path, relative to `images_dir`, as it stands in the list.

    Raises:
        ValueError: if the list is empty or has labels on some lines only, or a path occurs twice or leads
            out of `images_dir`.
        FileNotFoundError: if there is no list.
    """
    paths, labels = read_entries(image_list, images_dir)
    path_of = {printable(path): path for path in paths}
    split = (SplitImages("index", list(path_of)) if labels is None else
             SplitImages("train", list(path_of), landmarks=_as_array(labels)))
    return ImageCollection([split], path_of.__getitem__)


def read_entries(image_list: str, images_dir: str) -> tuple[list[str], list[str] | None]:
    """Paths of a list, relative to `images_dir`, and their labels, or None where it has none.

    Raises:
        ValueError: as of `read_collection`.
        FileNotFoundError: if there is no list.
    """
    with open(image_list, encoding="utf-8-sig", errors="surrogateescape") as file:
        lines = [(number, line.rstrip("\r\n")) for number, line in enumerate(file, 1) if line.strip()]
    if not lines:
        raise ValueError(f"{image_list} must list at least one image. Received: an empty list.")
    entries = [_split(line) for _, line in lines]
    num_labelled = sum(label is not None for _, label in entries)
    if num_labelled not in (0, len(entries)):
        odd = next(row for row, (_, label) in enumerate(entries) if label is None)
        raise ValueError(f"All lines of {image_list} must have a label, or none. Received: "
                         f"{printable(lines[odd][1])!r}, without one, in line {lines[odd][0]}.")
    paths = [_relative(path, images_dir) for path, _ in entries]
    check_names(paths, image_list)
    return paths, [printable(label) for _, label in entries] if num_labelled else None


def _split(line: str) -> tuple[str, str | None]:
    for separator in ("\t", ","):
        path, found, label = line.rpartition(separator)
        if found and not label.lower().endswith(SUFFIXES):  # else the separator is part of a file's name
            return path.strip(), label.strip() or None
    return line.strip(), None


def _relative(path: str, images_dir: str) -> str:
    inside = os.path.join(os.path.abspath(images_dir), "")
    return path[len(inside):] if images_dir and path.startswith(inside) else path


def _as_array(labels: list[str]) -> np.ndarray:
    try:
        return np.array([int(label) for label in labels], np.int64)
    except (ValueError, OverflowError):
        return np.array(labels)


SOURCE = Source(
    layout="what the paths of the list are relative to", settings=Settings, reads_tars=True,
    read=lambda config: read_collection(config.images_dir, config.image_list),
    check=lambda config: need(config, "image_list", "dataset=list"),
    tables=lambda config: tables_given(config, "image_list"))
