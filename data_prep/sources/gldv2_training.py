"""Google Landmarks v2, training: train.csv (id, url, landmark_id), train_clean.csv (landmark_id, images)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from data_prep.sources.exclusions import read_exclusions
from data_prep.sources.formats.image_names import check_unique
from data_prep.sources.formats.tables import read_table
from data_prep.sources.labels import LabelledImages, explode_clean_lists


def read_images(train_csv: str, train_clean_csv: str, exclude_csv: str = "") -> LabelledImages:
    """The training images that the tables list; the clean table, if given, chooses among them.

    Args:
        train_csv: path of the table of all images, or empty.
        train_clean_csv: path of the table of clean images, or empty; the one or the other must be given.
        exclude_csv: path of a list of images and landmarks to leave out, or empty; see `read_exclusions`.

    Raises:
        ValueError: if no table is given, a table is not as published, an id is listed twice or could lead
            out of the folder of images, or the tables contradict each other.
        FileNotFoundError: if a table does not exist.
    """
    if not (train_csv or train_clean_csv):
        raise ValueError("dataset=gldv2 needs `train_csv` or `train_clean_csv`. Received: neither.")
    ids, landmarks = [], np.empty(0, np.int64)
    all_ids, all_landmarks = ids, landmarks
    if train_csv:
        table = read_table(train_csv, {"id": str, "landmark_id": int})
        ids, landmarks = table["id"], np.array(table["landmark_id"], np.int64)
        check_ids(ids, train_csv)
        all_ids, all_landmarks = ids, landmarks
    if train_clean_csv:
        clean = read_table(train_clean_csv, {"landmark_id": int, "images": str})
        ids, landmarks = explode_clean_lists(clean["landmark_id"], clean["images"])
        check_ids(ids, train_clean_csv)
        if train_csv:
            _check_agreement(all_ids, all_landmarks, ids, landmarks, train_csv, train_clean_csv)
        else:
            all_ids, all_landmarks = ids, landmarks
    if exclude_csv:
        exclusions = read_exclusions(exclude_csv, all_ids, all_landmarks, is_complete=bool(train_csv))
        rows = np.flatnonzero(exclusions.keep(ids, landmarks))
        if not len(rows):
            raise ValueError(f"{exclude_csv} must leave an image to train on. Received: a list of all "
                             f"{len(ids)}.")
        ids, landmarks = [ids[row] for row in rows], landmarks[rows]
    return LabelledImages(ids, landmarks, path_of)


def path_of(image_id: str) -> str:
    """Path of an image relative to the folder of images, as the published archives unpack."""
    return f"{image_id[0]}/{image_id[1]}/{image_id[2]}/{image_id}.jpg"


def check_ids(ids: list[str], table: str) -> None:
    """Refuses ids that are used twice, or cannot be those of Google Landmarks.

    Raises:
        ValueError: naming the id and the table, or if there is none.
    """
    if not ids:
        raise ValueError(f"Table {table} must list at least one image. Received: none.")
    joined = "".join(ids)  # one look at one string of all ids; the ids one by one only where it fails
    if min(map(len, ids)) < 3 or not (joined.isalnum() and joined.isascii()):
        odd = next(image_id for image_id in ids
                   if len(image_id) < 3 or not (image_id.isalnum() and image_id.isascii()))
        raise ValueError(f"Image ids of {table} must be three letters or digits or more. Received: {odd!r}.")
    check_unique(ids, table)


def _check_agreement(ids: list[str], landmarks: np.ndarray, clean_ids: list[str], clean_landmarks: np.ndarray,
                     train_csv: str, train_clean_csv: str) -> None:
    rows = pd.Index(ids).get_indexer(clean_ids)
    differs = (rows < 0) | (landmarks[rows] != clean_landmarks)
    if differs.any():
        odd = int(differs.argmax())
        known = landmarks[rows[odd]] if rows[odd] >= 0 else None
        raise ValueError(f"{train_clean_csv} must agree with {train_csv}. Received: image {clean_ids[odd]} "
                         f"of landmark {clean_landmarks[odd]}, against landmark {known}.")
