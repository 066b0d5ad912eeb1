"""A folder jpg/NAME.jpg with landmarks.json: {"image_landmark": {NAME: landmark or null}}."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

import numpy as np

from data_prep.sources.formats.image_names import check_names, path_finder
from data_prep.sources.labels import LabelledImages
from data_prep.sources.source import Source
from data_prep.stage import files
from data_prep.stage.settings import setting


@dataclasses.dataclass(frozen=True)
class Settings:
    """Where the table is."""

    landmarks_json: str = setting(
        "", help="landmarks: table of each image's landmark; empty: the landmarks.json beside the images")


def find_table(images_dir: str) -> str:
    """Path of the landmarks.json in `images_dir` or, where there is none, in the folder above."""
    inside = os.path.join(images_dir, "landmarks.json")
    above = os.path.join(os.path.dirname(os.path.abspath(images_dir)), "landmarks.json")
    return above if os.path.exists(above) and not os.path.exists(inside) else inside


def read_images(images_dir: str, landmarks_json: str) -> LabelledImages:
    """The images that have a landmark; those whose landmark is null are not for training.

    Args:
        images_dir: folder of the images, or the folder above jpg/.
        landmarks_json: path of the table.

    Raises:
        ValueError: if the table is not of this form or gives no image a landmark.
        FileNotFoundError: if there is no table.
    """
    landmark_of = read_landmarks(landmarks_json)
    ids = [name for name, landmark in landmark_of.items() if landmark is not None]
    if not ids:
        raise ValueError(f"{landmarks_json} must give an image a landmark. Received: {len(landmark_of)} "
                         "images, all without one.")
    landmarks = [landmark_of[name] for name in ids]
    numbered = all(isinstance(landmark, int) for landmark in landmarks)
    return LabelledImages(ids, np.array(landmarks if numbered else [str(landmark) for landmark in landmarks]),
                          path_finder(images_dir))


def read_landmarks(path: str) -> dict[str, str | int | None]:
    """The landmark of each image, or None: the `image_landmark` of a landmarks.json.

    Raises:
        ValueError: if the file is not of that form.
        FileNotFoundError: if it does not exist.
    """
    stored = files.read_json(path)
    table = stored.get("image_landmark") if isinstance(stored, dict) else None
    if not isinstance(table, dict):
        raise ValueError(f"{path} must hold an object `image_landmark`: image name to landmark or null. "
                         f"Received: {', '.join(stored) if isinstance(stored, dict) else type(stored)}.")
    for name, landmark in table.items():
        is_number = type(landmark) is int and -2**63 <= landmark < 2**63
        if landmark is not None and not is_number and not (isinstance(landmark, str) and landmark.strip()):
            raise ValueError("The landmark of an image must be a string that is not blank, an integer of 64 "
                             f"bits or null in {path}. Received: {landmark!r:.80} for image {name!r}.")
    check_names(table, path)
    return table


def _table(config: Any) -> str:
    return config.landmarks_json or find_table(config.images_dir)


SOURCE = Source(
    layout="the one with jpg/ or the images", settings=Settings, lists_all=True,
    read=lambda config: read_images(config.images_dir, _table(config)).to_train(),
    tables=lambda config: {"landmarks_json": _table(config)})
