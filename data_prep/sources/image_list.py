"""A plain list of images: a path a line, or a path and a label after a tab, semicolon or comma."""

from __future__ import annotations

import dataclasses
import os

import numpy as np
from absl import logging

from data_prep.sources.collection import ImageCollection, SplitImages
from data_prep.sources.formats.image_names import SUFFIXES, check_names, printable
from data_prep.sources.formats.tables import read_labelled_files
from data_prep.sources.source import Source, need, tables_given
from data_prep.stage.settings import setting


@dataclasses.dataclass(frozen=True)
class Settings:
    """Where the list is."""

    image_list: str = setting(
        "", help="list, distractors: a path a line; list: and a label, after a tab, semicolon or comma")


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
    rows = read_labelled_files(image_list, SUFFIXES,
                               lambda path: os.path.lexists(os.path.join(images_dir, path)))
    if len(rows) > 1 and not _is_path(rows[0][1]) and _is_path(rows[1][1]):
        logging.info("Line %d of %s is taken for a header: %r is no path.", rows[0][0],
                     image_list, rows[0][1])
        del rows[0]
    if not rows:
        raise ValueError(f"{image_list} must list at least one image. Received: an empty list.")
    unlabelled = [row for row in rows if not row[2]]
    if 0 < len(unlabelled) < len(rows):
        raise ValueError(f"All lines of {image_list} must have a label, or none. Received: "
                         f"{printable(unlabelled[0][1])!r}, without one, in line {unlabelled[0][0]}.")
    paths = [_relative(path, images_dir) for _, path, _ in rows]
    check_names(paths, image_list)
    return paths, None if unlabelled else [printable(label) for _, _, label in rows]


def _is_path(path: str) -> bool:
    return "." in path or "/" in path


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
