"""Lists of images and landmarks that training must not see, such as those of Revisited Oxford/Paris."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from absl import logging

from data_prep.sources.formats.tables import read_table

_NUMBER = "[0-9]{1,18}"


class Exclusions(NamedTuple):
    """What is left out: images by id, and landmarks with all their images."""

    ids: pd.Index
    landmarks: np.ndarray  # int64

    def keep(self, ids: list[str], landmarks: np.ndarray) -> np.ndarray:
        """Whether each image stays, bool [number of images]."""
        return ~(pd.Index(ids).isin(self.ids) | np.isin(landmarks, self.landmarks))


def read_exclusions(path: str, ids: list[str], landmarks: np.ndarray, is_complete: bool) -> Exclusions:
    """Reads a list of images and landmarks to leave out.

    The list is a table with a column `id`, `landmark_id` or both (a row with an id means that image; with a
    landmark only, all images of it), or has one id a line: that of an image or, where no image has it, of a
    landmark.

    Args:
        path: the list.
        ids: images that can be left out.
        landmarks: int64 [number of ids]; landmark of each.
        is_complete: whether `ids` are all images there are, so that an entry must be among them. A list made
            for a whole set names images that a clean part of it lacks; they are counted in a warning.

    Raises:
        ValueError: if an entry is no id, contradicts the table of images, or is unknown and must not be; or
            if no entry at all names an image or a landmark.
        FileNotFoundError: if there is no list.
    """
    listed, has_header = _read(path)
    rows = pd.Index(ids).get_indexer(listed["id"])
    if not has_header:  # a bare number that is no image is a landmark
        is_landmark = (rows < 0) & listed["id"].str.fullmatch(_NUMBER).to_numpy()
        listed = pd.DataFrame({"id": listed["id"].mask(is_landmark, ""),
                               "landmark_id": listed["id"].where(is_landmark, "")})
    numbers = _numbers(listed["landmark_id"], path)
    of_image = (listed["id"] != "").to_numpy()
    differs = (rows >= 0) & (numbers >= 0) & (landmarks[rows] != numbers)
    if differs.any():
        odd = int(differs.argmax())
        raise ValueError(f"{path} must agree with the tables of images. Received: image "
                         f"{listed['id'].iloc[odd]} of landmark {numbers[odd]}, against landmark "
                         f"{landmarks[rows[odd]]}.")
    unknown = ~np.where(of_image, rows >= 0, np.isin(numbers, landmarks))
    if unknown.all() or (is_complete and unknown.any()):
        odd = listed.iloc[int(unknown.argmax())]
        raise ValueError(f"{path} must list images or landmarks that the tables hold. Received: "
                         f"{odd['id'] or odd['landmark_id']!r}, which is neither.")
    if unknown.any():
        logging.warning("%d of the %d entries of %s name nothing in the tables given.", np.sum(unknown),
                        len(unknown), path)
    return Exclusions(pd.Index(listed["id"][of_image]), np.unique(numbers[~of_image]))


def _read(path: str) -> tuple[pd.DataFrame, bool]:
    """Columns id and landmark_id as text, blank where there is none; and whether the list has a header."""
    with open(path, encoding="utf-8", errors="replace") as file:
        header = {name.strip() for name in file.readline().split(",")}
    has_header = bool(header & {"id", "landmark_id"})
    if has_header:
        table = read_table(path, {}, optional={"id": str, "landmark_id": str})
        listed = table.reindex(columns=["id", "landmark_id"], fill_value="")
    else:
        lines = _read_lines(path)
        listed = pd.DataFrame({"id": lines, "landmark_id": [""] * len(lines)}, dtype=object)
    listed = listed[(listed["id"] != "") | (listed["landmark_id"] != "")]
    if listed.empty:
        raise ValueError(f"{path} must list at least one image or landmark. Received: none.")
    return listed, has_header


def _read_lines(path: str) -> list[str]:
    with open(path, encoding="utf-8") as file:
        try:
            lines = [line.strip() for line in file]
        except UnicodeDecodeError as error:
            raise ValueError(f"{path} must be UTF-8 text. Received: {error}.") from error
    odd = next((line for line in lines if len(line.split()) > 1 or "," in line), None)
    if odd is not None:
        raise ValueError(f"{path} must have one id a line, or a header with id or landmark_id. "
                         f"Received: {odd!r}.")
    return lines


def _numbers(column: pd.Series, path: str) -> np.ndarray:
    """The integers of a column, int64; -1 where it is blank."""
    texts = column.mask(column == "", "-1")
    is_number = texts.str.fullmatch(f"-1|{_NUMBER}")
    if not is_number.all():
        raise ValueError(f"Values of landmark_id in {path} must be integers. "
                         f"Received: {texts[~is_number].iloc[0]!r}.")
    return texts.to_numpy(object).astype(np.int64)
