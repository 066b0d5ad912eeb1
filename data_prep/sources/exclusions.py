"""Lists of images and landmarks that training must not see, such as those of Revisited Oxford/Paris."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from absl import logging

from data_prep.sources.formats.tables import read_list, whole_number


class Exclusions(NamedTuple):
    """What is left out: images by id, and landmarks with all their images."""

    ids: set[str]
    landmarks: set[int]

    def keep(self, ids: list[str], landmarks: np.ndarray) -> np.ndarray:
        """Whether each image stays, bool [number of images]."""
        is_listed = np.fromiter((image in self.ids for image in ids), bool, len(ids))
        return ~(is_listed | np.isin(landmarks, list(self.landmarks)))


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
    rows, has_header = read_list(path, "id", "landmark_id")
    if not rows:
        raise ValueError(f"{path} must list at least one image or landmark. Received: none.")
    listed = {image for _, (image, _) in rows}
    landmark_of = {image: landmark for image, landmark in zip(ids, landmarks.tolist()) if image in listed}
    known = set(landmarks.tolist())
    excluded, unknown = Exclusions(set(), set()), []
    for line, (image, landmark) in rows:
        if not has_header and (len(image.split()) > 1 or "," in image):
            raise ValueError(f"{path} must have one id a line, or a header with id or landmark_id. "
                             f"Received: {image!r} in line {line}.")
        if not has_header and image not in landmark_of and image.isdecimal():
            image, landmark = "", image
        number = whole_number(landmark, path, line, "landmark_id") if landmark else None
        if image in landmark_of and number not in (None, landmark_of[image]):
            raise ValueError(f"{path} must agree with the tables of images. Received: image {image} of "
                             f"landmark {number}, against landmark {landmark_of[image]}, in line {line}.")
        if not (image in landmark_of if image else number in known):
            unknown.append(f"{image or landmark!r} in line {line}")
        if image:
            excluded.ids.add(image)
        else:
            excluded.landmarks.add(number)
    if len(unknown) == len(rows) or (is_complete and unknown):
        raise ValueError(f"{path} must list images or landmarks that the tables hold. Received: "
                         f"{unknown[0]}, which is neither.")
    if unknown:
        logging.warning("%d of the %d entries of %s name nothing in the tables given.", len(unknown),
                        len(rows), path)
    return excluded
