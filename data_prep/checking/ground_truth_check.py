"""Whether the ground truth and the list of images left out in dataset.json agree with the shards."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from data_prep.checking.id_table import IdTable
from data_prep.checking.shard_check import Problem
from data_prep.records.manifest import Manifest
from data_prep.sources import source
from data_prep.sources.revisited import LEVELS
from data_prep.sources.source import SOURCES

_KIND = "ground truth"
_MAX_NAMED = 100  # images of one sort that are named; the others are counted in one line


def check_ground_truth(manifest: Manifest, tables: dict[str, IdTable]) -> Iterator[Problem]:
    """Names without an image, images without a name, and places that point nowhere.

    Of either form, revisited or GLDv2, the parts that are there are checked.

    Args:
        manifest: with the ground truth, or without.
        tables: the ids of each split.
    """
    truth = manifest.ground_truth
    if truth is None:
        return
    if not isinstance(truth, dict):
        yield Problem(_KIND, f"it must be an object. Received: {type(truth).__name__}")
        return
    for split, key in (("index", "imlist"), ("query", "qimlist")):
        if key in truth:
            yield from _check_names(truth[key], key, split, tables.get(split) or IdTable("", [], []))
    if "gnd" in truth:
        yield from _check_entries(truth)
    left_out = {image_id for entry in manifest.left_out
                for image_id in _possible_ids(entry, manifest.dataset)}
    for task in ("recognition", "retrieval"):
        if task in truth:
            yield from _check_solution(truth[task], task, tables, left_out)


def check_left_out(manifest: Manifest, tables: dict[str, IdTable]) -> Iterator[Problem]:
    """Images that dataset.json lists as left out although a shard holds them."""
    # An image left out because its id is taken is rightly there: as the other one.
    entries = [entry for entry in manifest.left_out if "duplicate" not in entry.get("reason", "")]
    reason_of = {image_id: entry.get("reason", "") for entry in entries
                 for image_id in _possible_ids(entry, manifest.dataset)}
    for name, table in tables.items():
        ids = [image_id for entry in entries if entry.get("split", "") in ("", name)
               for image_id in _possible_ids(entry, manifest.dataset)]
        rows = table.rows_of(ids)
        for image_id, place in table.read(np.unique(rows[rows >= 0])[:_MAX_NAMED]):
            yield Problem("left-out image", "it is in the shard, but dataset.json lists it as left out: "
                                            f"{reason_of.get(image_id, 'no reason')}", place.file,
                          place.record, place.offset, image_id)


def _possible_ids(entry: dict[str, str], dataset: str) -> list[str]:
    """The id that an image left out would have; where only its path is known, those its source may give."""
    if entry.get("id"):
        return [entry["id"]]
    ids_of_path = SOURCES[dataset].ids_of_path if dataset in SOURCES else source.ids_of_path
    return ids_of_path(entry.get("image", ""))


def _check_names(names: Any, key: str, split: str, table: IdTable) -> Iterator[Problem]:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        yield Problem(_KIND, f"{key} must be a list of names")
        return
    if len(set(names)) < len(names):
        yield Problem(_KIND, f"{key} has {len(names)} names, {len(names) - len(set(names))} of them twice")
    missing = np.flatnonzero(table.rows_of(names) < 0)
    for place in missing[:_MAX_NAMED]:
        yield Problem(_KIND, f"place {place} of {key}; split {split!r} has no such image",
                      image_id=names[place])
    unknown = table.rows_besides(names)
    for image_id, place in table.read(unknown[:_MAX_NAMED]):
        yield Problem(_KIND, f"{key} does not name this image", place.file, place.record, place.offset,
                      image_id)
    for count, what in ((len(missing), f"names of {key} without an image"),
                        (len(unknown), f"images of split {split!r} that {key} does not name")):
        if count > _MAX_NAMED:
            yield Problem(_KIND, f"{count - _MAX_NAMED} more {what}")


def _check_solution(solution: Any, task: str, tables: dict[str, IdTable],
                    left_out: set[str]) -> Iterator[Problem]:
    """Test images, and those to be retrieved where the dataset has an index, that are nowhere."""
    try:
        ids = [image_id for answers in solution.values() for image_id in answers]
        wanted = sorted({image_id for answers in solution.values() for answer in answers.values()
                         for image_id in answer}) if task == "retrieval" and "index" in tables else []
    except (AttributeError, TypeError) as error:
        yield Problem(_KIND, f"{task} must have lists by usage and test image. Received: {error}")
        return
    for split, names in (("test", ids), ("index", wanted)):
        table = tables.get(split) or IdTable("", [], [])
        rows = np.flatnonzero(table.rows_of(names) < 0)
        missing = [names[row] for row in rows if names[row] not in left_out]
        for name in missing[:_MAX_NAMED]:
            yield Problem(_KIND, f"{task} names it; split {split!r} has no such image", image_id=name)
        if len(missing) > _MAX_NAMED:
            yield Problem(_KIND, f"{len(missing) - _MAX_NAMED} more names of {task} without an image")


def _check_entries(truth: dict[str, Any]) -> Iterator[Problem]:
    entries, queries, names = truth["gnd"], truth.get("qimlist"), truth.get("imlist")
    if not isinstance(entries, list) or not isinstance(queries, list) or len(entries) != len(queries):
        yield Problem(_KIND, "gnd must have an entry for each name of qimlist. Received: "
                             f"{len(entries) if isinstance(entries, list) else 'no list'} for "
                             f"{len(queries) if isinstance(queries, list) else 'none'}")
        return
    num_index = len(names) if isinstance(names, list) else 0
    for query, entry in zip(queries, entries):
        reason = _wrong_in_entry(entry, num_index)
        if reason:
            yield Problem(_KIND, reason, image_id=str(query))


def _wrong_in_entry(entry: Any, num_index: int) -> str:
    try:
        places = {level: np.asarray(entry[level], np.int64) for level in LEVELS}
        box = [float(value) for value in entry.get("bbx") or (0, 0, 1, 1)]
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        return (f"its entry must have {', '.join(LEVELS)} as numbers. "
                f"Received: {type(error).__name__}: {error}")
    for level, rows in places.items():
        outside = rows[(rows < 0) | (rows >= num_index)]
        if outside.size:
            return f"{level} holds place {outside[0]}, imlist has {num_index} names"
    if len(box) != 4 or not all(math.isfinite(value) for value in box):
        return f"bbx must be x1, y1, x2, y2. Received: {box}"
    return ""
