"""Landmark labels of index images: from the training table, the clean one, or the shards themselves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from absl import logging

from data_prep.sources.formats.tables import read_list, read_table
from data_prep.sources.labels import explode_clean_lists
from delg.recognition.votes import NO_LANDMARK


def read_landmarks(index_ids: Sequence[str], train_csv: str = "", train_clean_csv: str = "",
                   train_shards: str = "", no_landmark_list: str = "") -> np.ndarray:
    """The landmark of each index image.

    Args:
        index_ids: image ids.
        train_csv: table with columns id and landmark_id, such as train.csv; or empty. One of the three must
            be given.
        train_clean_csv: table with columns landmark_id and images (space-separated), or empty.
        train_shards: glob of TFRecord shards with labels, or empty.
        no_landmark_list: images that show no landmark, whatever the others say, or empty: a table with a
            column id, or one id a line.

    Returns:
        [N], int64, or objects where landmarks have names; NO_LANDMARK for images of the list.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if not exactly one source of landmarks is given, a file is not as described, or an index
            image has no landmark.
    """
    given = {name: value for name, value in (("train_csv", train_csv), ("train_clean_csv", train_clean_csv),
                                             ("train_shards", train_shards)) if value}
    if len(given) != 1:
        raise ValueError("Landmarks come from one of train_csv, train_clean_csv and train_shards. "
                         f"Received: {', '.join(given) or 'none of them'}.")
    (name, path), = given.items()
    ids, landmarks = {"train_csv": _of_table, "train_clean_csv": _of_clean_table,
                      "train_shards": _of_shards}[name](path)
    table = pd.Index(ids)
    if not table.is_unique:
        raise ValueError(f"Every image of {path} must occur once. Received: "
                         f"{table[table.duplicated()][0]!r} again.")
    rows = table.get_indexer(index_ids)
    known = rows >= 0
    found = np.full(len(rows), NO_LANDMARK, landmarks.dtype)
    found[known] = landmarks[rows[known]]
    if no_landmark_list:
        without = _listed(index_ids, no_landmark_list)
        found[without] = NO_LANDMARK
        known |= without
    if not known.all():
        raise ValueError(f"{path} must have a landmark for every image of the ranking's index. Received: "
                         f"none for {index_ids[int(np.argmin(known))]!r} ({np.count_nonzero(~known)} of "
                         f"{len(known)}).")
    return found


def _of_table(path: str) -> tuple[list[str], np.ndarray]:
    table = read_table(path, {"id": str, "landmark_id": int})
    return table["id"], np.array(table["landmark_id"], np.int64)


def _of_clean_table(path: str) -> tuple[list[str], np.ndarray]:
    table = read_table(path, {"landmark_id": int, "images": str})
    return explode_clean_lists(table["landmark_id"], table["images"])


def _of_shards(pattern: str) -> tuple[list[str], np.ndarray]:
    from data_prep.records import record_labels  # brings TensorFlow, which the tables need not wait for

    ids, names = record_labels.read_landmarks(pattern)
    if not ids:
        raise ValueError(f"Shards of {pattern} must hold labelled images. Received: none.")
    if all(str(name).isdecimal() and str(int(name)) == str(name) for name in names):  # 007 is a name
        return ids, np.array(names, np.int64)
    return ids, np.array([str(name) for name in names], object)


def _listed(index_ids: Sequence[str], path: str) -> np.ndarray:
    """Which images a list names, bool [N]."""
    named = {image for _, (image,) in read_list(path, "id")[0]}
    listed = np.array([image in named for image in index_ids], bool)
    num_listed = np.count_nonzero(listed)
    if not num_listed:
        raise ValueError(f"{path} must name images of the ranking's index. Received: {len(named)} ids, none "
                         "of them in it.")
    if num_listed < len(named):
        logging.warning("%d of the %d ids of %s are not in the index.", len(named) - num_listed, len(named),
                        path)
    return listed
