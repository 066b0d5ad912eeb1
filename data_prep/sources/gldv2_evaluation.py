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
from data_prep.sources.gldv2_training import check_ids, path_of

USAGES = ("Public", "Private")
_IGNORED = "Ignored"


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
        landmarks = table["landmark_id"].to_numpy(np.int64)[rows]
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
        truth = _read_solution(recognition_solution_csv, "landmarks", known, test_csv)
        ground_truth["recognition"] = {
            usage: {image_id: _landmarks(text, image_id, recognition_solution_csv)
                    for image_id, text in entries} for usage, entries in truth.items()}
    if retrieval_solution_csv:
        truth = _read_solution(retrieval_solution_csv, "images", known, test_csv)
        index_ids = set(_read_ids(index_csv)) if index_csv else None
        ground_truth["retrieval"] = {
            usage: {image_id: _images(text, image_id, retrieval_solution_csv, index_ids, index_csv)
                    for image_id, text in entries} for usage, entries in truth.items()}
    return ImageCollection([SplitImages("test", ids)], path_of, ground_truth=ground_truth or None)


def _read_ids(path: str) -> list[str]:
    ids = read_table(path, {"id": str})["id"].tolist()
    check_ids(ids, path)
    return ids


def _read_solution(path: str, column: str, known: set[str],
                   test_csv: str) -> dict[str, list[tuple[str, str]]]:
    """The judged rows of a solution by usage: test id and text of the column."""
    table = read_table(path, {"id": str, column: str, "Usage": str})
    check_unique(table["id"], path)
    usages = set(table["Usage"]) - {*USAGES, _IGNORED}
    if usages:
        raise ValueError(f"`Usage` in {path} must be {', '.join(USAGES)} or {_IGNORED}. "
                         f"Received: {sorted(usages)[0]!r}.")
    unknown = next((image_id for image_id in table["id"] if image_id not in known), None)
    if unknown is not None:
        raise ValueError(f"Every image of {path} must be in {test_csv}. Received: {unknown!r}.")
    return {usage: list(zip(rows["id"], rows[column])) for usage in USAGES
            for rows in [table[table["Usage"] == usage]]}


def _landmarks(text: str, image_id: str, path: str) -> list[int]:
    try:
        return [int(landmark) for landmark in text.split()]
    except ValueError as error:
        raise ValueError(f"`landmarks` of {image_id} in {path} must be integers. "
                         f"Received: {text!r}.") from error


def _images(text: str, image_id: str, path: str, index_ids: set[str] | None, index_csv: str) -> list[str]:
    images = text.split()
    for image in images if index_ids is not None else ():
        if image not in index_ids:
            raise ValueError(f"`images` of {image_id} in {path} must be in {index_csv}. Received: {image!r}.")
    return images
