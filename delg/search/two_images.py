"""Two photos compared: how alike they are, which local features agree on one transform, and a picture."""

from __future__ import annotations

import dataclasses
import os

import cv2
import numpy as np

from data_prep.stage import files
from data_prep.stage.settings import require_suffix
from delg.features import preparing
from delg.features.describing import ImageDescriber
from delg.geometry.comparing import compare
from delg.pictures import drawing
from delg.settings.search import SearchConfig

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg")
_HEIGHT, _HALF_WIDTH = 900, 1200  # pixels at most; chosen: fills a screen, enlarges no photo beyond sense


@dataclasses.dataclass(frozen=True)
class ImageMatch:
    """What holds between two photos."""

    similarity: float  # cosine of the global descriptors, in [-1, 1]
    num_features: tuple[int, int]  # local features of the first and the second
    num_matches: int  # putative: alike in looks, before geometry
    first_yx: np.ndarray  # float32 [num_inliers, 2], pixels of the first photo
    second_yx: np.ndarray  # float32 [num_inliers, 2], pixels of the second photo
    transform: np.ndarray  # float64 [3, 3], second (x, y, 1) to first; NaN where none was found
    outline_xy: np.ndarray | None  # float64 [n, 2], pixels of the second: the first's frame there

    @property
    def num_inliers(self) -> int:
        """Matches that agree with the transform; guided matching may find more than looks alone did."""
        return len(self.first_yx)


def check_picture_path(path: str) -> None:
    """Raises ValueError unless `path` ends as a picture that can be written."""
    require_suffix("output", path, PICTURE_SUFFIXES)


def match_images(describer: ImageDescriber, first: bytes, second: bytes, config: SearchConfig) -> ImageMatch:
    """Compares two encoded images; the first takes the part of the query.

    Args:
        describer: the model and how features are taken.
        first, second: encoded images that can be decoded.
        config: matcher, verifier and their settings.
    """
    one, other = describer.describe(first), describer.describe(second)
    found = compare(one, other, config)
    return ImageMatch(found.similarity, (len(one.local), len(other.local)), len(found.pair.matches),
                      found.query_yx, found.index_yx, found.pair.transform, found.outline_of(None))


def draw_match(first: bytes, second: bytes, match: ImageMatch) -> np.ndarray:
    """The two photos side by side with lines between inliers, and the first's frame as it lies in the second.

    Returns:
        uint8, [h, w, 3], RGB.
    """
    first_image, second_image = preparing.decode(first), preparing.decode(second)
    max_height = min(_HEIGHT, max(first_image.shape[0], second_image.shape[0]))
    return drawing.draw_matches(first_image, second_image, match.first_yx, match.second_yx, None,
                                match.outline_xy, max_height, _HALF_WIDTH)


def write_picture(path: str, picture: np.ndarray) -> None:
    """Writes uint8 [h, w, 3] RGB as PNG or JPEG, by the end of the name."""
    check_picture_path(path)
    done, encoded = cv2.imencode(os.path.splitext(path)[1].lower(), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    assert done, "OpenCV encodes any uint8 RGB image"
    with files.replacing(path) as temporary, open(temporary, "wb") as file:
        file.write(encoded.tobytes())
