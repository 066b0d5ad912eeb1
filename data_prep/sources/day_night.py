"""Photographs by day and by night: IMAGES_DIR with places.csv, or with folders that speak for themselves.

places.csv has the columns file (relative to IMAGES_DIR), domain (day or night) and place, and may have
sequence, frame and camera. A place is what retrieval is to find again. A sequence is a drive, or the same
drive by day and by night: all that must not be torn apart by a split. Photographs of equal sequence, frame
and camera show the same view.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from data_prep.sources.collection import ImageCollection, SplitImages
from data_prep.sources.day_night_folders import DAY, DOMAINS, NIGHT, View, read_views
from data_prep.sources.formats.image_names import SUFFIXES, check_names, find_images, ids_of_paths, printable
from data_prep.sources.formats.tables import read_table
from data_prep.sources.source import Source, tables_inside
from data_prep.stage.settings import setting

TABLE = "places.csv"


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the sequences and the frames of such a set mean."""

    test_fraction: float = setting(
        0.2, help="day_night: share of the sequences that goes to the split test", range="[0, 1)")
    pair_frames: bool = setting(
        False, help="day_night: files of equal name, in one sequence, show the same view by day and by night")


def read_collection(images_dir: str, validation_fraction: float, test_fraction: float, seed: int,
                    pair_frames: bool = False) -> ImageCollection:
    """The splits `train`, `validation` and `test`, with domains; the landmark of an image is its place.

    Photographs that share a sequence or a place are on one side. The fractions are of such groups, taken
    apart for those of both domains, of day alone and of night alone, and rounded; a fraction above 0 gets one
    group of the commonest kind at least.

    Pairs: one photograph by day and one by night of equal sequence (where there is none: place), frame and
    camera. Without places.csv they are known only if `pair_frames` says so: frames of a video have equal
    numbers without showing equal views. A fixed camera without frames has no pairs: its place says it.

    Args:
        images_dir: the folder of places.csv, or of the folders of `day_night_folders`.
        validation_fraction: in [0, 1).
        test_fraction: in [0, 1).
        seed: of the choice.
        pair_frames: without places.csv: files of equal name, in one sequence and of one camera, show the
            same view.

    Raises:
        ValueError: if the table or the folders do not say what must be known, or there are too few groups.
        FileNotFoundError: if `images_dir` does not exist.
    """
    if not os.path.isdir(images_dir):
        raise FileNotFoundError(f"`images_dir` must be a folder. Received: images_dir={images_dir}.")
    passed_over: dict[str, str] = {}
    table = os.path.join(images_dir, TABLE)
    if os.path.isfile(table):
        views, places, has_frames = _read_places(table)
    else:
        views = read_views(find_images(images_dir, passed_over), images_dir)
        places, has_frames = [view.sequence for view in views], pair_frames
        if not views:
            raise ValueError(f"`images_dir` must have images ({', '.join(SUFFIXES)}) in it or below. "
                             f"Received: none in {images_dir}.")
        if (validation_fraction or test_fraction) and "" in places:
            raise ValueError(f"A folder must tell the place or sequence of each image in {images_dir}, or "
                             f"{TABLE} must be there, so that no neighbours are parted. Received: "
                             f"{views[places.index('')].path!r}; with `validation_fraction` and "
                             "`test_fraction` 0 all images are to train.")
    path_of = ids_of_paths([view.path for view in views], images_dir)
    ids = np.array(list(path_of), object)
    pairs = np.array(_pair_keys(views, images_dir) if has_frames else [""] * len(views), object)
    domains = np.array([view.domain for view in views], object)
    landmarks = np.array([printable(place) for place in places])
    groups = _groups([view.sequence for view in views], places)
    side_of_group = _choose(groups, domains, validation_fraction, test_fraction, seed, images_dir)
    sides = side_of_group[groups]
    splits = []
    for side, name in enumerate(("train", "validation", "test")):
        rows = np.flatnonzero(sides == side)
        if len(rows):
            splits.append(SplitImages(
                name, ids[rows].tolist(), landmarks=landmarks[rows], domains=domains[rows].tolist(),
                pairs=pairs[rows].tolist() if has_frames else None))
    return ImageCollection(splits, path_of.__getitem__, fixed_splits=True, passed_over=passed_over)


def _read_places(path: str) -> tuple[list[View], list[str], bool]:
    """Views and places of places.csv, and whether it has frames."""
    table = read_table(path, {"file": str, "domain": str, "place": str},
                       optional={"sequence": str, "frame": str, "camera": str})
    check_names(table["file"], path)
    blank = [""] * len(table["file"])
    sequences, frames, cameras = (table.get(name, blank) for name in ("sequence", "frame", "camera"))
    for file, domain, place in zip(table["file"], table["domain"], table["place"]):
        if domain not in DOMAINS:
            raise ValueError(f"`domain` in {path} must be {' or '.join(DOMAINS)}. "
                             f"Received: {domain!r} for {file}.")
        if not place:
            raise ValueError(f"`place` in {path} must not be empty. Received: none for {file}.")
    views = [View(file, domain, sequence or f"place {place}", camera, frame)
             for file, domain, sequence, place, camera, frame
             in zip(table["file"], table["domain"], sequences, table["place"], cameras, frames)]
    return views, table["place"], any(frames)


def _pair_keys(views: Sequence[View], images_dir: str) -> list[str]:
    """A key per image, the same for two of one view; empty where the other domain lacks the view."""
    seen: dict[tuple[str, ...], View] = {}
    for view in views:
        key = (view.domain, view.sequence, view.camera, view.frame)
        if view.frame and key in seen:
            raise ValueError(f"Sequence, frame and camera must be of one photograph by {view.domain} in "
                             f"{images_dir}. Received: {seen[key].path} and {view.path}.")
        seen[key] = view
    keys = []
    for view in views:
        key = (view.sequence, view.camera, view.frame)
        is_paired = bool(view.frame) and all((domain, *key) in seen for domain in DOMAINS)
        keys.append(printable("/".join(part for part in key if part)) if is_paired else "")
    return keys


def _groups(sequences: Sequence[str], places: Sequence[str]) -> np.ndarray:
    """A number per image, int64, equal for images connected by sequences and places."""
    from scipy import sparse  # which flags and help need not wait for

    sequence = np.unique(np.array(sequences), return_inverse=True)[1]
    place = np.unique(np.array(places), return_inverse=True)[1] + sequence.max() + 1
    size = int(place.max()) + 1
    links = sparse.coo_matrix((np.ones(len(place)), (sequence, place)), shape=(size, size))
    group = sparse.csgraph.connected_components(links, directed=False)[1][place]
    return np.unique(group, return_inverse=True)[1]


def _choose(groups: np.ndarray, domains: np.ndarray, validation_fraction: float, test_fraction: float,
            seed: int, images_dir: str) -> np.ndarray:
    """Side of each group: 0 train, 1 validation, 2 test."""
    num_groups = int(groups.max()) + 1
    has_day, has_night = (np.bincount(groups, domains == domain, num_groups) > 0 for domain in (DAY, NIGHT))
    kind = 2 * has_day + has_night  # 3: of both domains
    generator = np.random.default_rng([seed, *b"sequences"])
    side = np.zeros(num_groups, np.int64)
    kinds, counts = np.unique(kind, return_counts=True)
    for value, count in zip(kinds, counts):
        least = int(count == counts.max())
        num_validation, num_test = (max(round(fraction * count), least if fraction else 0)
                                    for fraction in (validation_fraction, test_fraction))
        if num_validation + num_test >= count and least:
            raise ValueError(
                f"{images_dir} must have more groups of images that share no sequence and no place than "
                f"validation and test take. Received: {count} groups, validation_fraction="
                f"{validation_fraction:g}, test_fraction={test_fraction:g}.")
        chosen = generator.permutation(np.flatnonzero(kind == value))
        side[chosen[:num_test]] = 2
        side[chosen[num_test:num_test + num_validation]] = 1
    return side


def _check(config: Any) -> None:
    if config.heldout_class_fraction:
        raise ValueError("`heldout_class_fraction` must be 0 for dataset=day_night, which splits by "
                         f"sequence. Received: heldout_class_fraction={config.heldout_class_fraction}.")


SOURCE = Source(
    layout="the one of places.csv, or of folders that say day and night", settings=Settings, check=_check,
    read=lambda config: read_collection(config.images_dir, config.validation_fraction, config.test_fraction,
                                        config.seed, config.pair_frames),
    tables=lambda config: tables_inside(os.path.join(config.images_dir, TABLE)))
