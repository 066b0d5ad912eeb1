"""Pixels of an image file as the model sees them: decoded, cut to a query box, limited in size."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Hashable, Iterator
from typing import TYPE_CHECKING, NamedTuple, Union

import cv2
import numpy as np

from data_prep.images import image_headers, intake

if TYPE_CHECKING:
    import PIL.Image

_SAME_LIMIT = 6  # decimals

Photograph = Union[str, "os.PathLike[str]", bytes, np.ndarray, "PIL.Image.Image"]


class BadImageError(ValueError):
    """An image that cannot be used; the message says why."""


class PreparedImage(NamedTuple):
    """Pixels for the model, and how they lie in the original image."""

    image: np.ndarray  # uint8 [h, w, 3], RGB
    factors: np.ndarray  # float64 [2]: new over old height and width
    corner: np.ndarray  # float64 [2]: y, x of the box in the original
    limit: float  # factor from `image` to the size that scale 1 stands for; at most 1
    image_size: tuple[int, int]  # height and width of the original
    turn: np.ndarray | None = None  # of a simulated view: float64 [3, 3], from the pixels (x, y, 1) before it
    unturned_size: tuple[int, int] | None = None  # height and width of these
    beside: np.ndarray | None = None  # uint8 [h, w, 3], what global descriptors are of too

    @property
    def shape_key(self) -> Hashable:
        """Equal for images that can go through the model together."""
        return self.image.shape, round(self.limit, _SAME_LIMIT)


def decode(encoded: bytes, max_pixels: int = image_headers.MAX_PIXELS) -> np.ndarray:
    """Pixels of an image file, uint8 [h, w, 3] RGB. Raises BadImageError where there are none, or more."""
    with refusing_bad_images():
        return intake.decode_pixels(encoded, image_headers.check_image(encoded, max_pixels).format)


@contextlib.contextmanager
def refusing_bad_images() -> Iterator[None]:
    """Makes a BadImageError, of one line that is not long, of a ValueError in the block."""
    try:
        yield
    except ValueError as error:
        raise BadImageError(" ".join(str(error).split())[:200]) from error


def pixels_of(image: Photograph) -> np.ndarray:
    """Pixels of a photograph in any of its forms, turned upright: uint8 [h, w, 3], RGB.

    Args:
        image: path of an image file; its bytes; pixels uint8 [h, w, 3] RGB or [h, w]; or an image of Pillow.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: what it holds is no image that can be used.
    """
    if isinstance(image, (str, os.PathLike)):
        return decode(intake.read_image(os.fspath(image)).encoded)
    if isinstance(image, (bytes, bytearray)):
        return decode(intake.take_image(bytes(image)).encoded)
    if hasattr(image, "getexif"):  # of Pillow, which need not be imported for that
        from PIL import ImageOps

        image = ImageOps.exif_transpose(image).convert("RGB")
    pixels = np.asarray(image)
    pixels = np.repeat(pixels[..., np.newaxis], 3, axis=2) if pixels.ndim == 2 else pixels
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise ValueError("An image must be a path, bytes, an image of Pillow, or pixels uint8 [h, w, 3] RGB "
                         f"or [h, w]. Received: {type(image).__name__}, {pixels.dtype} {list(pixels.shape)}.")
    return np.ascontiguousarray(pixels)


def prepare_image(image: np.ndarray, max_image_size: int, largest_scale: float = 1.0,
                  query_bbox: np.ndarray | None = None) -> PreparedImage:
    """The part of an image that is described, with no more pixels than its largest scale can use.

    A box is cut out first and limited as the whole image would have been. The reference shrinks to the
    limit and enlarges that again for scales above 1; here such scales keep what detail the image has.
    Source: the reference extraction of queries (tensorflow/models, research/delf).

    Args:
        image: uint8, [H, W, 3].
        max_image_size: pixels, longer side of the whole image at scale 1; 0: no limit.
        largest_scale: the largest factor the result will be resized by, relative to that limit.
        query_bbox: float, [4]; x1, y1, x2, y2 in pixels, rounded and cut at the border; None: whole image.

    Raises:
        BadImageError: if the box has no pixels in the image.
    """
    height, width = image.shape[:2]
    left, top, right, bottom = 0, 0, width, height
    if query_bbox is not None:
        x1, y1, x2, y2 = (round(float(value)) for value in query_bbox)
        left, top, right, bottom = max(x1, 0), max(y1, 0), min(x2, width), min(y2, height)
        if left >= right or top >= bottom:
            raise BadImageError(f"box {x1}, {y1}, {x2}, {y2} has no pixels of the {width} x {height}")
        image = image[top:bottom, left:right]
    limit = min(1.0, max_image_size / max(height, width)) if max_image_size else 1.0
    factor = min(1.0, limit * largest_scale)
    old_size = np.array(image.shape[:2])
    new_size = np.maximum(np.round(old_size * factor), 1).astype(int)
    if np.any(new_size != old_size):
        image = cv2.resize(image, (int(new_size[1]), int(new_size[0])), interpolation=cv2.INTER_AREA)
    return PreparedImage(np.ascontiguousarray(image), new_size / old_size, np.array([top, left], np.float64),
                         limit / factor, (height, width))
