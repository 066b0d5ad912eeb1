"""Google Landmarks v2, evaluation: index.csv and test.csv (id), and what is to be found in them.

The ground truth is {"recognition": {"Public": {test id: [landmark, ...]}, "Private": {...}}, "retrieval":
{"Public": {test id: [index id, ...]}, "Private": {...}}}, of the solutions that are given: what each judged
test image shows (nothing: an image without landmark), and which images of the index show the same. Test
images that a solution marks as Ignored are not in it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from data_prep.sources.collection import ImageCollection, SplitImages
from data_prep.sources.formats.image_names import check_unique
from data_prep.sources.formats.tables import read_table
from data_prep.sources.gldv2_solutions import RECOGNITION, RETRIEVAL, read_solution
from data_prep.sources.gldv2_training import check_ids, path_of


def read_index(index_csv: str, index_labels_csv: str = "") -> ImageCollection:
    """The images to be searched, as a split `index`.

    Args:
        index_csv: path of the table with column id.
        index_labels_csv: path of the table with columns id and landmark_id, or empty: no labels.

    Raises:
        ValueError: if a table is not as published, an id is listed twice, or an image has no label.
        FileNotFoundError: if a table does not exist.
    """
    ids = _read_ids(index_csv)
    landmarks = None
    if index_labels_csv:
        table = read_table(index_labels_csv, {"id": str, "landmark_id": int})
        check_unique(table["id"], index_labels_csv)
        rows = pd.Index(table["id"]).get_indexer(ids)
        if (rows < 0).any():
            raise ValueError(f"{index_labels_csv} must have a landmark for every image of {index_csv}. "
                             f"Received: none for {ids[int((rows < 0).argmax())]!r}.")
        landmarks = np.array(table["landmark_id"], np.int64)[rows]
    return ImageCollection([SplitImages("index", ids, landmarks=landmarks)], path_of)


def read_test(test_csv: str, recognition_solution_csv: str = "", retrieval_solution_csv: str = "",
              index_csv: str = "") -> ImageCollection:
    """The query images, as a split `test`, with the ground truth.

    Args:
        test_csv: path of the table with column id.
        recognition_solution_csv: path of the table with columns id, landmarks and Usage, or empty.
        retrieval_solution_csv: path of the table with columns id, images and Usage, or empty.
        index_csv: path of the table of the index, in which the images to be retrieved must be; or empty.

    Raises:
        ValueError: if a table is not as published, an id is listed twice, or the tables disagree.
        FileNotFoundError: if a table does not exist.
    """
    ids = _read_ids(test_csv)
    known = set(ids)
    ground_truth: dict[str, Any] = {}
    if recognition_solution_csv:
        ground_truth[RECOGNITION] = _read_parts(recognition_solution_csv, RECOGNITION, known, test_csv)
    if retrieval_solution_csv:
        ground_truth[RETRIEVAL] = _read_parts(retrieval_solution_csv, RETRIEVAL, known, test_csv)
        if index_csv:
            _check_images(ground_truth[RETRIEVAL], retrieval_solution_csv, set(_read_ids(index_csv)),
                          index_csv)
    return ImageCollection([SplitImages("test", ids)], path_of, ground_truth=ground_truth or None)


def _read_ids(path: str) -> list[str]:
    ids = read_table(path, {"id": str})["id"]
    check_ids(ids, path)
    return ids


def _read_parts(path: str, task: str, known: set[str], test_csv: str) -> dict[str, dict[str, list]]:
    """The judged rows of a solution, by usage and test id."""
    solution = read_solution(path, task, like=0)
    ids = [*solution.ignored, *(image_id for part in solution.parts.values() for image_id in part)]
    if not ids:
        raise ValueError(f"Table {path} must have at least one row. Received: none.")
    unknown = next((image_id for image_id in ids if image_id not in known), None)
    if unknown is not None:
        raise ValueError(f"Every image of {path} must be in {test_csv}. Received: {unknown!r}.")
    return solution.parts


def _check_images(parts: dict[str, dict[str, list]], path: str, index_ids: set[str], index_csv: str) -> None:
    for part in parts.values():
        for image_id, images in part.items():
            for image in images:
                if image not in index_ids:
                    raise ValueError(f"`images` of {image_id} in {path} must be in {index_csv}. "
                                     f"Received: {image!r}.")
