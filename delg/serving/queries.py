"""What a request asks for, made ready to be searched: an upload or an image of the collection, and a box."""

from __future__ import annotations

import dataclasses
import hashlib

import numpy as np

from data_prep.images import intake
from data_prep.images.intake import TakenImage
from delg.features.preparing import BadImageError, PreparedImage, refusing_bad_images
from delg.features.shards import ImageFeatures
from delg.scores.found import Place
from delg.serving import large_images
from delg.serving.batches import BatchedDescriber
from delg.serving.searched import Searched

Box = tuple  # x1, y1, x2, y2, pixels
_MOST_PIXELS = 1e9  # of a side; chosen: float32 and int32 hold them


class UnknownImage(KeyError):
    """The collection has no image of that id, or no file of it."""


class BadBox(ValueError):
    """A text that is no box."""


@dataclasses.dataclass(frozen=True)
class Query:
    """A query before the model has seen it.

    Attributes:
        image: prepared for the model; None where features are there.
        features: of an image of the collection; None where the model has to make them.
        left_out: ids of images that are the query itself.
        taken: the image that was uploaded; None: it is of the collection.
        box: x1, y1, x2, y2, pixels; None: the whole image.
        place: where it was taken; None: not known.
    """

    image: PreparedImage | None
    features: ImageFeatures | None
    left_out: frozenset[str]
    taken: TakenImage | None
    box: Box | None
    place: Place | None


def box_of(text: str) -> Box | None:
    """`x1,y1,x2,y2` as numbers; None for an empty text.

    Raises:
        BadBox: if it is none.
    """
    if not text:
        return None
    try:
        box = tuple(float(value) for value in text.split(","))
    except ValueError:
        box = ()
    are_pixels = len(box) == 4 and all(abs(value) < _MOST_PIXELS for value in box)  # false for nan
    if not are_pixels or box[0] >= box[2] or box[1] >= box[3]:
        raise BadBox("`box` must be x1,y1,x2,y2 in pixels, with x1 < x2 and y1 < y2. "
                     f"Received: {text[:100]!r}.")
    return box


def of_upload(encoded: bytes, box: Box | None, searched: Searched, describer: BatchedDescriber,
              max_pixels: int) -> Query:
    """A query of an image file.

    Raises:
        BadImageError: if it cannot be used, or the box lies outside.
    """
    with refusing_bad_images():
        intake.check_file_size(len(encoded))
    with large_images.decoding(encoded, max_pixels):
        with refusing_bad_images():
            taken = intake.take_image(encoded, max_pixels)
        prepared = describer.describer.prepare(taken.encoded, _as_array(box), max_pixels)
    left_out = searched.same_files(hashlib.sha256(encoded).hexdigest())
    places = map(searched.place_of, sorted(left_out))
    place = next(filter(None, places), None) or searched.places.of_encoded("", encoded)
    return Query(prepared, None, frozenset(left_out), taken, box, place)


def of_collection(image_id: str, box: Box | None, searched: Searched, describer: BatchedDescriber,
                  max_pixels: int) -> Query:
    """A query of an image of the collection; with a box, its file is read again.

    Raises:
        UnknownImage: if there is no such image, or no file of it for a box.
        BadImageError: if its file cannot be used any more, or the box lies outside.
    """
    if image_id not in searched.images.row_of:
        raise UnknownImage(image_id)
    same = searched.same_files(searched.sha256[image_id]) if image_id in searched.sha256 else set()
    left_out, place = frozenset({image_id, *same}), searched.place_of(image_id)
    if box is None:
        return Query(None, searched.features_of(image_id), left_out, None, None, place)
    if image_id not in searched.paths:
        raise UnknownImage(image_id)
    try:
        taken = intake.read_image(searched.paths[image_id])
    except OSError:  # removed by hand
        raise UnknownImage(image_id) from None
    except ValueError as error:  # whose message has the path, which is no client's business
        raise BadImageError("its file is damaged") from error
    prepared = describer.describer.prepare(taken.encoded, _as_array(box), max_pixels)
    return Query(prepared, None, left_out, None, box, place)


def _as_array(box: Box | None) -> np.ndarray | None:
    return None if box is None else np.asarray(box, np.float32)
