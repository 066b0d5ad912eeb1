"""Feature shard (HDF5): what it holds, how it is written, checked and read.

A shard `<split>-<i:05d>-of-<n:05d>.h5` holds flat arrays, one HDF5 dataset each:

    ids                 [N]     UTF-8 strings, of one length
    global_descriptors  [N, D]  float32, unit norm; D is 0 where there are local features alone
    image_sizes         [N, 2]  int32, height and width of the original image
    offsets             [N + 1] int64, rows offsets[i]:offsets[i + 1] of the arrays below are image i
    keypoints_yx        [M, 2]  float32, pixels of the original image
    descriptors         [M, c]  float32, float16, int8, or uint8 for packed bits: see `local_codes`;
                                the attribute `dimension` is d, and c is d but for packed bits; M and d
                                may be 0
    scores              [M]     float32, attention, best first within an image
    scales              [M]     float32, 1 / scale of the image the feature was found at

and the attributes `format` (int), `config` (JSON: the extraction's settings, and the `fingerprint` of the
model; all shards of one set carry the same) and `notes` (JSON: what concerns this shard alone, such as its
source, the images left out, and `orientations`: id -> EXIF orientation of the file, of images that were
turned upright, as all pixels here mean). HDF5 itself keeps checksums of all of it. Format 1, of which
shards are still read, had float32 and float16 alone and no attribute `dimension`; shards without checksums
are read too.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from data_prep.stage import hdf5_files, stored_settings
from data_prep.stage.lazy_module import LazyModule
from delg.features import local_codes
from delg.settings.extraction import ExtractConfig

h5py = LazyModule("h5py")

FORMAT = 2
KIND = "a feature shard (HDF5)"  # for messages
_READABLE_FORMATS = (1, FORMAT)
_PER_IMAGE = ("global_descriptors", "image_sizes")
_NUM_AXES = {"ids": 1, "offsets": 1, "global_descriptors": 2, "image_sizes": 2, "keypoints_yx": 2,
             "descriptors": 2, "scores": 1, "scales": 1}


@dataclasses.dataclass(frozen=True)
class LocalFeatures:
    """Local features of one image, best first: n keypoints.

    Attributes:
        keypoints_yx: float32, [n, 2], pixels of the original image.
        descriptors: float32, [n, d], unit norm.
        scores: float32, [n], attention.
        scales: float32, [n], 1 / scale of the image the feature was found at.
    """

    keypoints_yx: np.ndarray
    descriptors: np.ndarray
    scores: np.ndarray
    scales: np.ndarray

    def __len__(self) -> int:
        return len(self.scores)


class ImageFeatures(NamedTuple):
    """What features say of one image."""

    global_descriptor: np.ndarray  # float32 [D], unit norm; D is 0 without global scales
    local: LocalFeatures
    image_size: tuple[int, int]  # height and width of the original, pixels


@dataclasses.dataclass(frozen=True)
class DescribedImage:
    """All that features say of one image, whatever file they came from.

    Attributes:
        id: as in ground truth and rankings.
        global_descriptor: float32, [D]; D is 0 where there is none.
        image_size: height and width of the original image, pixels.
        local: its local features; may be empty.
        orientation: of EXIF, of the file that the image was turned from; 1: it lies as the file does.
    """

    id: str
    global_descriptor: np.ndarray
    image_size: tuple[int, int]
    local: LocalFeatures
    orientation: int = 1


def no_local_features(dim: int = 0) -> LocalFeatures:
    """Local features of an image that has none, descriptors of shape [0, dim]."""
    return LocalFeatures(*(np.zeros((0, *tail), np.float32) for tail in ((2,), (dim,), (), ())))


def create_descriptors(writer: hdf5_files.Hdf5Writer, dim: int, local_dtype: str) -> h5py.Dataset:
    """The dataset of local descriptors in a new shard, with no rows yet."""
    dtype = local_codes.stored_dtype(local_dtype)
    descriptors = writer.create_rows("descriptors", (local_codes.num_columns(dim, dtype),), dtype)
    descriptors.attrs["dimension"] = dim
    return descriptors


class FeatureShardWriter:
    """Writes a shard image by image; the file appears under its name only when all is written.

    Use as a context manager: leaving it by an exception removes what was written.

    Args:
        path: final name of the shard; its folder exists.
        config: settings of the extraction and the `fingerprint` of its model; JSON-able.
        global_dim: D; may be 0.
        local_dim: d; may be 0.
        local_dtype: of the stored descriptors, one of LOCAL_DTYPES.

    Attributes:
        notes: dict, JSON-able, stored when the shard is finished.
    """

    def __init__(self, path: str, config: dict[str, Any], global_dim: int, local_dim: int,
                 local_dtype: str = "float16"):
        self.notes: dict[str, Any] = {}
        self._local_dim, self._local_dtype = local_dim, local_dtype
        self._config = json.dumps(config, sort_keys=True)
        self._ids: list[str] = []
        self._offsets = [0]
        with contextlib.ExitStack() as stack:  # nothing is left if a dataset cannot be made
            self._writer = stack.enter_context(hdf5_files.writing(os.fspath(path)))
            self._arrays = {name: self._writer.create_rows(name, tail, dtype) for name, tail, dtype in (
                ("global_descriptors", (global_dim,), "float32"), ("image_sizes", (2,), "int32"),
                ("keypoints_yx", (2,), "float32"), ("scores", (), "float32"), ("scales", (), "float32"))}
            self._arrays["descriptors"] = create_descriptors(self._writer, local_dim, local_dtype)
            self._stack = stack.pop_all()

    def append(self, image_id: str, global_descriptor: np.ndarray, image_size: tuple[int, int],
               local: LocalFeatures) -> None:
        """Adds one image.

        Args:
            image_id: unique in the set.
            global_descriptor: float, [D], unit norm.
            image_size: height and width of the original image, pixels.
            local: its local features, best first; may be empty.

        Raises:
            ValueError: if shapes contradict the shard's, or a value is not finite.
        """
        rows = {"global_descriptors": global_descriptor[None], "image_sizes": np.array([image_size]),
                "keypoints_yx": local.keypoints_yx, "descriptors": local.descriptors,
                "scores": local.scores, "scales": local.scales}
        for name, values in rows.items():
            tail = (self._local_dim,) if name == "descriptors" else self._arrays[name].shape[1:]
            expected = (1 if name in _PER_IMAGE else len(local), *tail)
            if values.shape != expected:
                raise ValueError(f"`{name}` of image {image_id} must have shape {expected}. "
                                 f"Received: {values.shape}.")
            if not np.all(np.isfinite(values)):
                raise ValueError(f"`{name}` of image {image_id} must be finite. Received: nan or inf.")
        rows["descriptors"] = local_codes.encode(local.descriptors, self._local_dtype)
        for name, values in rows.items():
            array = self._arrays[name]
            end = array.shape[0]
            array.resize(end + len(values), axis=0)
            array[end:] = values
        self._writer.check()
        self._ids.append(image_id)
        self._offsets.append(self._offsets[-1] + len(local))

    def __enter__(self) -> FeatureShardWriter:
        return self

    def __exit__(self, error_type, error, traceback) -> None:
        if error_type is not None:
            self._stack.__exit__(error_type, error, traceback)
            return
        with self._stack:
            self._writer.write_texts("ids", self._ids)
            self._writer.write_array("offsets", np.array(self._offsets, np.int64))
            self._writer.describe(config=self._config, notes=json.dumps(self.notes), format=FORMAT)


def open_checked(path: str) -> h5py.File:
    """Opens a shard whose datasets are all there and agree in shape."""
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(hdf5_files.opened(path, KIND))
        with hdf5_files.refusing(path, KIND):
            _check(path, file)
        stack.pop_all()
    return file


def _check(path: str, file: h5py.File) -> None:
    missing = [name for name in _NUM_AXES if name not in file]
    if missing:
        raise ValueError(f"{path} must hold the dataset `{missing[0]}`. It holds: {', '.join(file)}.")
    if file.attrs.get("format") not in _READABLE_FORMATS or "config" not in file.attrs:
        raise ValueError(f"{path} must have the attributes `config` and `format` = 1 or {FORMAT}. "
                         f"It has: format={file.attrs.get('format')}.")
    num_images, num_keypoints = file["ids"].size, file["scores"].size
    for name, num_axes in _NUM_AXES.items():
        shape = file[name].shape
        rows = num_images if name in ("ids", *_PER_IMAGE) else num_keypoints
        expected = num_images + 1 if name == "offsets" else rows
        if len(shape) != num_axes or shape[0] != expected:
            raise ValueError(f"`{name}` in {path} must have {num_axes} axes and {expected} rows, for "
                             f"{num_images} ids and {num_keypoints} scores. It has shape {shape}.")
    for name in ("keypoints_yx", "image_sizes"):
        if file[name].shape[1] != 2:
            raise ValueError(f"`{name}` in {path} must have 2 columns. It has {file[name].shape[1]}.")
    descriptors, dim = file["descriptors"], local_dimension(file)
    if descriptors.shape[1] != local_codes.num_columns(dim, descriptors.dtype):
        raise ValueError(f"`descriptors` in {path} must have the columns of {dim} dimensions as "
                         f"{descriptors.dtype}. It has {descriptors.shape[1]}.")
    offsets = file["offsets"][:]
    if offsets[0] != 0 or offsets[-1] != num_keypoints or np.any(np.diff(offsets) < 0):
        raise ValueError(f"`offsets` in {path} must rise from 0 to {num_keypoints}. "
                         f"They go from {offsets[0]} to {offsets[-1]}.")


def differing_settings(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    """Names of settings in which the `config` of two shards differ; one that is lacking had its default."""
    return stored_settings.differences(first, second, stored_settings.defaults_of(ExtractConfig))


def orientations_of(path: str, file: h5py.File) -> dict[str, int]:
    """Id -> EXIF orientation of the file, of the images of an open shard that were turned upright."""
    found = json.loads(file.attrs.get("notes", "{}")).get("orientations", {})
    if not isinstance(found, dict) or not all(value in range(1, 9) for value in found.values()):
        raise ValueError(f"`orientations` of {path} must be numbers from 1 to 8 by id.")
    return found


def local_dimension(file: h5py.File) -> int:
    """d, the dimensions of the local descriptors of an open shard."""
    descriptors = file["descriptors"]
    return int(descriptors.attrs.get("dimension", descriptors.shape[1]))


def read_shard_attributes(path: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """`config` and `notes` of a shard, after checking its shapes; cheap. Raises as `read_feature_shard`."""
    with hdf5_files.refusing(path, KIND), open_checked(path) as file:
        return json.loads(file.attrs["config"]), json.loads(file.attrs.get("notes", "{}"))
