"""Files of hloc (Hierarchical-Localization): features and matches in HDF5, pairs in text.

    features    a group per image, named by it: keypoints [n, 2] as x, y; descriptors [d, n]; scores [n];
                image_size [2] as width, height; global_descriptor [D]. Either kind may be missing.
                `scales` [n] is written too; hloc passes over it.
    matches     a group per pair, `<first>/<second>` with `-` for each `/` of a name: matches0 [n], the row of
                the second image that row i of the first matches, or -1; matching_scores0 [n] in [0, 1].
    pairs.txt   a line per pair: query, blank, index image.

The centre of the upper left pixel is at 0, 0, as it is in our shards.
Source: https://github.com/cvg/Hierarchical-Localization, hloc/extract_features.py and hloc/match_features.py.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Iterator

import h5py
import numpy as np

from data_prep.sources.formats.tables import read_rows
from data_prep.stage import files, hdf5_files
from delg.features.shards import DescribedImage, LocalFeatures, no_local_features

MAX_VALUES = 2**27  # of one array; 1000 descriptors of 128 dimensions have 128,000
NO_MATCH = -1
LOCAL_DTYPES = ("float16", "float32")
_NUM_AXES = {"keypoints": 2, "descriptors": 2, "scores": 1, "scales": 1, "image_size": 1,
             "global_descriptor": 1}


def write_features(path: str, images: Iterable[DescribedImage], local_dtype: str = "float16") -> int:
    """Writes the features of images, one after the other; returns how many there were.

    Args:
        path: of the file, replaced if there.
        images: their ids become the names of groups; a `/` in one makes groups within groups, as in hloc.
        local_dtype: of the stored local descriptors, float16 or float32; hloc itself stores float16.

    Raises:
        ValueError: if `local_dtype` is another, an id cannot be the name of a group, or one image's stands
            within another's.
    """
    if local_dtype not in LOCAL_DTYPES:
        raise ValueError(f"`local_dtype` must be one of {', '.join(LOCAL_DTYPES)} in files of hloc. "
                         f"Received: local_dtype={local_dtype!r}.")
    num_images = 0
    with hdf5_files.writing(path, checksums=False) as writer:
        file = writer.file
        for image in images:
            _check_id(image.id, path)
            try:
                group = file.create_group(image.id)
            except ValueError as error:
                raise ValueError(f"Ids of images in {path} must differ, and none may be a folder of another. "
                                 f"Received: {image.id!r}.") from error
            local = image.local
            group["keypoints"] = np.asarray(local.keypoints_yx[:, ::-1], np.float32)
            group["descriptors"] = np.asarray(local.descriptors.T, local_dtype)
            group["scores"] = np.asarray(local.scores, np.float32)
            group["scales"] = np.asarray(local.scales, np.float32)
            group["image_size"] = np.array(image.image_size[::-1], np.int64)
            if image.global_descriptor.size:
                group["global_descriptor"] = np.asarray(image.global_descriptor, np.float32)
            writer.check()
            num_images += 1
    return num_images


class FeatureFile:
    """An open feature file, whose images are read by name; a context manager.

    Scores and scales that are missing count as 1; an image size that is missing is the smallest that holds
    the keypoints.

    Args:
        path: of the file.

    Attributes:
        names: of the images, sorted.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no HDF5 file, holds no features, or, later, the arrays of an image contradict
            each other.
    """

    def __init__(self, path: str):
        self.path = path
        with contextlib.ExitStack() as stack:
            self._file = stack.enter_context(hdf5_files.reading(path, "an HDF5 file of hloc"))
            names: set[str] = set()

            def collect(name: str, entry: h5py.Group | h5py.Dataset) -> None:
                if name.rpartition("/")[2] in ("keypoints", "global_descriptor") and "/" in name:
                    names.add(name.rpartition("/")[0])

            self._file.visititems(collect)
            if not names:
                raise ValueError(f"{path} must hold a group with keypoints or a global_descriptor per image. "
                                 f"Received: {', '.join(list(self._file)[:5]) or 'nothing'}.")
            self.names = sorted(names)
            self._stack = stack.pop_all()

    def image(self, name: str) -> DescribedImage:
        """The features of an image of the file."""
        return _read_image(self.path, name, self._file[name])

    def has_size(self, name: str) -> bool:
        """Whether the file says the size of an image."""
        return "image_size" in self._file[name]

    def __enter__(self) -> FeatureFile:
        return self

    def __exit__(self, *error) -> None:
        self._stack.__exit__(*error)


def read_features(path: str) -> Iterator[DescribedImage]:
    """The images of a feature file, by name, read one at a time; errors as of `FeatureFile`."""
    with FeatureFile(path) as file:
        for name in file.names:
            yield file.image(name)


def write_matches(path: str, matches: Iterable[tuple[str, str, int, np.ndarray, np.ndarray]]) -> int:
    """Writes the matches of pairs; returns how many pairs there were.

    Args:
        path: of the file, replaced if there.
        matches: per pair the two ids, the first image's number of keypoints, rows int [k, 2] of the keypoints
            that match, and scores float [k]; a row of the first image at most once.

    Raises:
        ValueError: if rows are out of range or occur twice, or two pairs have one name.
    """
    num_pairs = 0
    with hdf5_files.writing(path, checksums=False) as writer:
        file = writer.file
        for first, second, num_keypoints, rows, scores in matches:
            rows = np.asarray(rows, np.int64).reshape(-1, 2)
            if rows.size and (rows.min() < 0 or rows[:, 0].max() >= num_keypoints
                              or len(np.unique(rows[:, 0])) < len(rows)):
                raise ValueError(f"Matches of {first} and {second} must name each of {num_keypoints} "
                                 f"keypoints at most once. Received: rows {rows[:5, 0].tolist()}.")
            partners = np.full(num_keypoints, NO_MATCH, np.int32)
            partners[rows[:, 0]] = rows[:, 1]
            stored_scores = np.zeros(num_keypoints, np.float16)
            stored_scores[rows[:, 0]] = scores
            try:
                group = file.create_group(pair_name(first, second))
            except ValueError as error:
                raise ValueError(f"Pairs in {path} must differ, once `/` is `-`. "
                                 f"Received: {first}, {second}.") from error
            group["matches0"], group["matching_scores0"] = partners, stored_scores
            writer.check()
            num_pairs += 1
    return num_pairs


def pair_name(first: str, second: str) -> str:
    """Group of a pair in a matches file."""
    return f"{first.replace('/', '-')}/{second.replace('/', '-')}"


def write_pairs(path: str, pairs: Iterable[tuple[str, str]]) -> None:
    """Writes pairs of ids, query first, a line each; an id with white space is refused."""
    with files.replacing(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        for pair in pairs:
            if any(len(name.split()) != 1 or name.strip() != name for name in pair):
                raise ValueError(f"Ids in {path} must be words without white space. Received: {pair}.")
            file.write(f"{pair[0]} {pair[1]}\n")


def read_pairs(path: str) -> list[tuple[str, str]]:
    """Pairs of names, query first; what names two images both ways or again is one pair, the first of them.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if a line has not two words.
    """
    pairs = {}
    for line, words in read_rows(path, "\t "):
        if len(words) != 2 or not all(words):
            raise ValueError(f"Line {line} of {path} must be two ids. Received: {' '.join(words)[:80]!r}.")
        pairs.setdefault(frozenset(words), (words[0], words[1]))
    return list(pairs.values())


def _check_id(image_id: str, path: str) -> None:
    if not image_id or "\0" in image_id or {"", ".", ".."} & set(image_id.split("/")):
        raise ValueError(f"Ids of images in {path} must be relative paths or names. Received: {image_id!r}.")


def _array(path: str, name: str, group: h5py.Group, num_axes: int) -> np.ndarray:
    """A numeric dataset that is as small as such arrays are, checked before it is read."""
    entry = group[name]
    if (not isinstance(entry, h5py.Dataset) or entry.dtype.kind not in "fiu"
            or len(entry.shape or ()) != num_axes or math.prod(entry.shape) > MAX_VALUES):
        found = f"{entry.dtype} {entry.shape}" if isinstance(entry, h5py.Dataset) else "none"
        raise ValueError(f"{path}: {_inside(group, name)} must be numbers on {num_axes} axes, at most "
                         f"{MAX_VALUES}. Received: {found}.")
    return entry[()]


def _inside(group: h5py.Group, name: str) -> str:
    return f"{group.name}/{name}".strip("/")


def _read_image(path: str, name: str, group: h5py.Group) -> DescribedImage:
    arrays = {key: _array(path, key, group, num_axes) for key, num_axes in _NUM_AXES.items() if key in group}
    local = no_local_features()
    if "keypoints" in arrays:
        keypoints = arrays["keypoints"].astype(np.float32)
        count = len(keypoints)
        descriptors = arrays.get("descriptors", np.zeros((0, count))).astype(np.float32)
        scores, scales = (arrays.get(key, np.ones(count)).astype(np.float32) for key in ("scores", "scales"))
        if keypoints.shape[1] != 2 or not count == descriptors.shape[1] == len(scores) == len(scales):
            raise ValueError(f"{path}: {name} must have n keypoints x, y, descriptors [d, n] and n scores. "
                             f"Received: {keypoints.shape}, {descriptors.shape} and {scores.shape}.")
        local = LocalFeatures(keypoints[:, ::-1], descriptors.T, scores, scales)
    size = arrays.get("image_size")
    if size is None:
        size = np.ceil(local.keypoints_yx.max(axis=0, initial=0))[::-1] + 1
    if size.shape != (2,) or not np.all((size >= 1) & (size < 2**31)):
        raise ValueError(f"{path}: image_size of {name} must be width and height. Received: {size.tolist()}.")
    return DescribedImage(name, arrays.get("global_descriptor", np.zeros(0)).astype(np.float32),
                          (int(size[1]), int(size[0])), local)
