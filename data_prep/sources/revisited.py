"""Revisited Oxford/Paris and any set of that form: ground truth of queries against an index of images.

A ground truth is {"imlist": index names, "qimlist": query names, "gnd": one entry a query of "bbx" (x1, y1,
x2, y2 in pixels) and "easy", "hard", "junk" (zero-based places in imlist)}. The published files come as
.mat (places from 1) and .pkl; .json holds the same as the .pkl.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Collection
from typing import Any

import numpy as np

from data_prep.sources.collection import ImageCollection, SplitImages
from data_prep.sources.formats import matlab_file
from data_prep.sources.formats.image_names import check_names, path_finder
from data_prep.sources.formats.plain_pickle import read_pickle
from data_prep.sources.public_set import PublicFile, PublicSet
from data_prep.sources.source import Source, need, tables_given
from data_prep.stage import files
from data_prep.stage.settings import setting

LEVELS = ("easy", "hard", "junk")


@dataclasses.dataclass(frozen=True)
class Settings:
    """Where the ground truth is."""

    ground_truth: str = setting("", help="revisited: .mat, .pkl or .json with imlist, qimlist and gnd")


def read_ground_truth(path: str) -> dict[str, Any]:
    """The ground truth in a .mat, .pkl or .json file, made of dicts, lists, strings and numbers only.

    Nothing in a pickle is run.

    Raises:
        ValueError: naming the file, if it is of another kind, is damaged, has no queries, or points at
            index images that are not there.
        FileNotFoundError: if it does not exist.
    """
    readers = {".mat": _read_mat, ".pkl": read_pickle, ".json": files.read_json}
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in readers:
        raise ValueError(f"Ground truth must be a {', '.join(readers)} file. Received: {path}.")
    if not os.path.isfile(path):
        raise FileNotFoundError(f"Ground truth {path} does not exist.")
    return check_ground_truth(readers[suffix](path), path, first_place=int(suffix == ".mat"))


def check_ground_truth(stored: Any, path: str, first_place: int = 0) -> dict[str, Any]:
    """A ground truth as a file holds it, made of dicts, lists, strings and numbers only, places from 0.

    Args:
        stored: what the file holds.
        path: of the file, for messages.
        first_place: what the file calls the first image of imlist.

    Raises:
        ValueError: as of `read_ground_truth`; of one query's values it names the query.
    """
    missing = {"imlist", "qimlist", "gnd"} - set(stored if isinstance(stored, dict) else ())
    if missing:
        raise ValueError(f"Ground truth {path} must have imlist, qimlist and gnd. "
                         f"Received: one without {', '.join(sorted(missing))}.")
    for key in ("imlist", "qimlist", "gnd"):
        if not isinstance(stored[key], (list, tuple, np.ndarray)):
            raise ValueError(f"{key} of {path} must be a list. Received: {type(stored[key]).__name__}.")
    imlist, qimlist, gnd = (list(stored[key]) for key in ("imlist", "qimlist", "gnd"))
    check_names(imlist, f"imlist of {path}")
    check_names(qimlist, f"qimlist of {path}")
    if not qimlist or len(gnd) != len(qimlist):
        raise ValueError(f"Ground truth {path} must have at least one query and an entry of gnd for each. "
                         f"Received: {len(qimlist)} queries, {len(gnd)} entries.")
    gnd = [_checked_entry(entry, query, len(imlist), path, first_place) for entry, query in zip(gnd, qimlist)]
    return {"imlist": imlist, "qimlist": qimlist, "gnd": gnd}


def drop_images(ground_truth: dict[str, Any], index_names: Collection[str],
                query_names: Collection[str]) -> dict[str, Any]:
    """The ground truth without some index images and some queries; places are counted anew.

    Raises:
        ValueError: if no query remains.
    """
    keep = np.array([name not in index_names for name in ground_truth["imlist"]], bool)
    place = np.cumsum(keep) - 1
    gnd = [{"bbx": entry["bbx"], **{level: [int(place[row]) for row in entry[level] if keep[row]]
                                    for level in LEVELS}}
           for query, entry in zip(ground_truth["qimlist"], ground_truth["gnd"])
           if query not in query_names]
    if not gnd:
        raise ValueError("At least one query image must be readable. Received: "
                         f"{len(ground_truth['qimlist'])} queries, all of them bad.")
    return {"imlist": [name for name in ground_truth["imlist"] if name not in index_names],
            "qimlist": [name for name in ground_truth["qimlist"] if name not in query_names], "gnd": gnd}


def check_box(bbx: list[float], width: int, height: int, query: str) -> list[float]:
    """A query's box, with a rounding of up to one pixel at the image's border taken off.

    Raises:
        ValueError: naming the query, if the box is empty or leaves the image.
    """
    x1, y1, x2, y2 = bbx
    if not (-1 <= x1 < x2 <= width + 1 and -1 <= y1 < y2 <= height + 1):
        raise ValueError(f"The box of query {query!r} must lie in its image of {width} x {height} pixels. "
                         f"Received: bbx={[float(value) for value in bbx]}.")
    return [max(x1, 0.0), max(y1, 0.0), min(x2, float(width)), min(y2, float(height))]


def _numbers(values: Any, name: str) -> list[float]:
    """The numbers of a list or an array; a string, whose characters may be digits, is no list."""
    if not isinstance(values, (list, tuple, np.ndarray)):
        raise TypeError(f"{name} is no list but {type(values).__name__}")
    for value in values:
        if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.number)):
            raise TypeError(f"{name} holds a value of type {type(value).__name__}")
    return [value.item() if isinstance(value, np.number) else value for value in values]


def _whole(number: float, name: str) -> int:
    if isinstance(number, float) and not number.is_integer():  # nor are NaN and infinity
        raise ValueError(f"{name} holds {number}, which is not whole")
    return int(number)


def _checked_entry(entry: Any, query: str, num_index: int, path: str,
                   first_place: int) -> dict[str, Any]:
    try:
        box = [float(value) for value in _numbers(entry["bbx"], "bbx")]
        places = {level: [_whole(row, level) - first_place for row in _numbers(entry[level], level)]
                  for level in LEVELS}
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"The entry of query {query!r} in {path} must have bbx, easy, hard and junk, all "
                         f"numbers. Received: {type(error).__name__}: {error}.") from error
    if len(box) != 4 or not np.all(np.isfinite(box)):
        raise ValueError(f"bbx of query {query!r} in {path} must be x1, y1, x2, y2. Received: {box}.")
    for level, rows in places.items():
        outside = [row for row in rows if not 0 <= row < num_index]
        if outside:
            raise ValueError(f"{level} of query {query!r} in {path} must point into the {num_index} names of "
                             f"imlist. Received: {outside[0] + first_place}.")
    return {"bbx": box, **places}


def _read_mat(path: str) -> dict[str, Any]:
    stored = matlab_file.read_variables(path, ("imlist", "qimlist", "gnd"))
    try:
        entries = [entry[0] if isinstance(entry, list) and len(entry) == 1 else entry  # a cell of one struct
                   for entry in stored["gnd"]]
        gnd = [{name: np.ravel(entry[name]) for name in ("bbx", *LEVELS)} for entry in entries]
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise ValueError(f"gnd of {path} must be structs with bbx, {', '.join(LEVELS)}. "
                         f"Received: {type(error).__name__}: {error}.") from error
    imlist, qimlist = ([names] if isinstance(names := stored[key], str) else names
                       for key in ("imlist", "qimlist"))
    return {"imlist": imlist, "qimlist": qimlist, "gnd": gnd}


def _read(config: Any) -> ImageCollection:
    ground_truth = read_ground_truth(config.ground_truth)
    query_bboxes = [entry["bbx"] for entry in ground_truth["gnd"]]
    return ImageCollection([SplitImages("query", ground_truth["qimlist"], query_bboxes=query_bboxes),
                            SplitImages("index", ground_truth["imlist"])],
                           path_finder(config.images_dir), ground_truth=ground_truth)


def _public_set(name: str, archives: tuple[PublicFile, ...]) -> PublicSet:
    ground_truth = PublicFile(f"http://cmp.felk.cvut.cz/revisitop/data/datasets/{name}", f"gnd_{name}.mat")
    return PublicSet(
        homepage="http://cmp.felk.cvut.cz/revisitop", files=(ground_truth, *archives),
        next_command="python -m data_prep.build_tfrecords --dataset=revisited {images} "
                     f"--ground_truth={{dir}}/gnd_{name}.mat --output_dir={{dir}}/shards",
        unpack_dir="jpg", unpacked_images="--images_dir={dir}/jpg", flat=True, unpack=True)


_OXFORD = "https://www.robots.ox.ac.uk/~vgg/data/oxbuildings"
_PARIS = "https://www.robots.ox.ac.uk/~vgg/data/parisbuildings"

SOURCE = Source(
    layout="the one with jpg/ or the images", read=_read, settings=Settings, lists_all=True, has_boxes=True,
    check=lambda config: need(config, "ground_truth", "dataset=revisited"),
    tables=lambda config: tables_given(config, "ground_truth"),
    public_sets={
        "roxford": _public_set("roxford5k", (
            PublicFile(_OXFORD, "oxbuild_images-v1.tgz", about=1_940_000_000),)),
        "rparis": _public_set("rparis6k", (
            PublicFile(_PARIS, "paris_1-v1.tgz"), PublicFile(_PARIS, "paris_2-v1.tgz")))})
