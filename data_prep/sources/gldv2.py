"""Google Landmarks v2: train.csv (id, url, landmark_id), train_clean.csv (landmark_id, images)."""

from __future__ import annotations

import numpy as np

from data_prep.labels import LabelledImages, explode_clean_lists
from data_prep.sources.tables import read_table


def read_images(train_csv: str, train_clean_csv: str) -> LabelledImages:
    """The training images that the tables list; the clean table, if given, chooses among them.

    Args:
        train_csv: path of the table of all images, or empty.
        train_clean_csv: path of the table of clean images, or empty; the one or the other must be given.

    Raises:
        ValueError: if no table is given, a table is not as published, an id is listed twice or could lead
            out of the folder of images, or the two tables contradict each other.
        FileNotFoundError: if a table does not exist.
    """
    if not (train_csv or train_clean_csv):
        raise ValueError("dataset=gldv2 needs `train_csv` or `train_clean_csv`. Received: neither.")
    ids, landmarks = [], np.empty(0, np.int64)
    if train_csv:
        table = read_table(train_csv, {"id": str, "landmark_id": int})
        ids, landmarks = table["id"].tolist(), table["landmark_id"].to_numpy(np.int64)
        _check_ids(ids, train_csv)
    if train_clean_csv:
        clean = read_table(train_clean_csv, {"landmark_id": int, "images": str})
        clean_ids, clean_landmarks = explode_clean_lists(clean["landmark_id"], clean["images"])
        _check_ids(clean_ids, train_clean_csv)
        if train_csv:
            _check_agreement(dict(zip(ids, landmarks.tolist())), clean_ids, clean_landmarks, train_csv,
                             train_clean_csv)
        ids, landmarks = clean_ids, clean_landmarks
    return LabelledImages(ids, landmarks, _path_of)


def _path_of(image_id: str) -> str:
    return f"{image_id[0]}/{image_id[1]}/{image_id[2]}/{image_id}.jpg"


def _check_ids(ids: list[str], table: str) -> None:
    for image_id in ids:
        if len(image_id) < 3 or not (image_id.isalnum() and image_id.isascii()):
            raise ValueError(f"Image ids of {table} must be three letters or digits or more. "
                             f"Received: {image_id!r}.")
    if len(set(ids)) < len(ids):
        seen: set[str] = set()
        twice = next(image_id for image_id in ids if image_id in seen or seen.add(image_id))
        raise ValueError(f"Image ids of {table} must be unique. Received: {twice!r} twice.")
    if not ids:
        raise ValueError(f"Table {table} must list at least one image. Received: none.")


def _check_agreement(landmark_of: dict[str, int], clean_ids: list[str], clean_landmarks: np.ndarray,
                     train_csv: str, train_clean_csv: str) -> None:
    for image_id, landmark in zip(clean_ids, clean_landmarks.tolist()):
        if landmark_of.get(image_id) != landmark:
            raise ValueError(f"{train_clean_csv} must agree with {train_csv}. Received: image {image_id} of "
                             f"landmark {landmark}, against landmark {landmark_of.get(image_id)}.")
