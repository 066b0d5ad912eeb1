"""Ground truth of retrieval: the easy, hard and junk images of each query, from any accepted file."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

import numpy as np

from data_prep.records import manifest
from data_prep.sources import revisited


@dataclasses.dataclass(frozen=True)
class GroundTruth:
    """Relevance of the index images, query by query."""

    index_ids: list[str]
    query_ids: list[str]
    easy: list[np.ndarray]  # Q arrays, int64, rows of index_ids
    hard: list[np.ndarray]
    junk: list[np.ndarray]
    boxes: np.ndarray  # float64 [Q, 4], x1, y1, x2, y2 in pixels of the query image


def load_ground_truth(path: str) -> GroundTruth:
    """The ground truth of a .mat, .pkl or .json file in revisited form, or of a dataset.json.

    Args:
        path: the file; for dataset.json its folder will do.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if the file is not a ground truth, or the dataset has none.
    """
    if os.path.isdir(path) or os.path.basename(path) == manifest.FILE_NAME:
        content = manifest.load_manifest(path).ground_truth
        if content is None:
            raise ValueError("`ground_truth` must be a dataset with a ground truth. "
                             f"Received: {path!r}, built without one.")
        if "gnd" not in content:
            raise ValueError("`ground_truth` must be a dataset with a ground truth of revisited form. "
                             f"Received: {path!r} of Google Landmarks; give it as `solution`.")
        content = revisited.check_ground_truth(content, path)
    else:
        content = revisited.read_ground_truth(path)
    return from_lists(content)


def from_lists(content: dict[str, Any]) -> GroundTruth:
    """The ground truth of a dict {"imlist", "qimlist", "gnd"}, as the files hold it."""
    easy, hard, junk = ([np.asarray(entry[level], np.int64) for entry in content["gnd"]]
                        for level in ("easy", "hard", "junk"))
    boxes = np.array([entry["bbx"] for entry in content["gnd"]], np.float64).reshape(-1, 4)
    return GroundTruth(list(content["imlist"]), list(content["qimlist"]), easy, hard, junk, boxes)
