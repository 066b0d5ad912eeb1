"""Conversion of features between our shards and the files of other systems.

    shards  ours: ids, global and local features; `output` is one file, NAME.h5
    delg    a folder of `<id>.delg_global` and `<id>.delg_local`
    delf    a folder of `<id>.delf`: local features alone
    hloc    an HDF5 file with a group per image; matches of given pairs in a second one
    colmap  a database: keypoints, and matches and two-view geometries of given pairs; it is only written
    mat     X and Q of the ROxf/RPar benchmark: global descriptors alone, ids from its ground truth

What a format does not hold has a stand-in: an image's size is the smallest that holds its keypoints. Where
no image has a global descriptor, those of the shard have no dimensions, and no index can be made of them.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
from collections.abc import Iterable, Iterator

import numpy as np

from data_prep.images import orientation
from data_prep.sources.formats.image_names import SUFFIXES
from delg.exchange import colmap, delf, hloc, matlab
from delg.features.reader import FeatureReader
from delg.features.shards import DescribedImage, FeatureShardWriter, LocalFeatures, no_local_features
from delg.geometry import matching, pairs
from delg.scores.ground_truth import load_ground_truth
from delg.settings.search import SearchConfig
from delg.vectors.unit import unit_vectors

_LOCAL_SUFFIXES = {"delg": ".delg_local", "delf": ".delf"}
_GLOBAL_SUFFIX = ".delg_global"
PAIR_CONFIG = SearchConfig(min_inliers=15)  # for pairs that no ranking names; COLMAP's own least number


@dataclasses.dataclass(frozen=True)
class PairMatches:
    """Matches of two images, and those of them that agree on a transform."""

    first: str
    second: str
    num_keypoints: int  # of the first
    matches: np.ndarray  # int64 [k, 2], rows of the two images' keypoints, one to one
    scores: np.ndarray  # float32 [k], 1 - distance / 2, in [0, 1]
    inliers: np.ndarray  # int64 [i, 2]; none where they are fewer than the least number
    inlier_scores: np.ndarray  # float32 [i], as `scores`
    transform: np.ndarray  # float64 [3, 3], second to first; NaN where none was found


def read_images(path: str, input_format: str) -> Iterator[DescribedImage]:
    """The images of `path`, one at a time; any of INPUT_FORMATS but `mat`.

    Sizes and keypoints are those of image files: photographs that our shards hold upright are turned back.

    Raises:
        FileNotFoundError: if there is nothing of the format.
        ValueError: if a file is damaged; the message names it.
    """
    if input_format == "shards":
        with FeatureReader(path) as reader:
            for row, image_id in enumerate(reader.ids):
                height, width = map(int, reader.image_sizes[row])
                yield _as_stored(DescribedImage(
                    image_id, reader.global_descriptors[row], (height, width), reader.local_features(row),
                    reader.orientations.get(image_id, 1)))
    elif input_format == "hloc":
        yield from hloc.read_features(path)
    else:
        yield from _read_folder(path, input_format)


def _as_stored(image: DescribedImage) -> DescribedImage:
    """An image as other systems see its file, which they do not turn."""
    if image.orientation == 1:
        return image
    back = orientation.to_stored(image.orientation, image.image_size)
    points_xy = image.local.keypoints_yx[:, ::-1] @ back[:2, :2].T + back[:2, 2]
    return dataclasses.replace(
        image, image_size=orientation.stored_size(image.orientation, image.image_size), orientation=1,
        local=dataclasses.replace(image.local, keypoints_yx=points_xy[:, ::-1].astype(np.float32)))


def _read_folder(folder: str, input_format: str) -> Iterator[DescribedImage]:
    local_suffix = _LOCAL_SUFFIXES[input_format]
    suffixes = (local_suffix, _GLOBAL_SUFFIX) if input_format == "delg" else (local_suffix,)
    stems = sorted({os.path.join(where, os.path.splitext(name)[0]) for where, _, names in os.walk(folder)
                    for name in names if os.path.splitext(name)[1] in suffixes})
    if not stems:
        raise FileNotFoundError(f"`input` must be a folder of {' or '.join(suffixes)} files. "
                                f"Received: input={folder!r}, which has none.")
    for stem in stems:
        global_descriptor, local = np.zeros(0, np.float32), no_local_features()
        if os.path.exists(stem + _GLOBAL_SUFFIX) and input_format == "delg":
            global_descriptor = delf.read_datum(stem + _GLOBAL_SUFFIX).astype(np.float32).ravel()
        if os.path.exists(stem + local_suffix):
            local = delf.read_local_features(stem + local_suffix)
        corner = local.keypoints_yx.max(axis=0, initial=0)
        if not np.all(np.isfinite(corner)):
            raise ValueError(f"Keypoints in {stem + local_suffix} must be finite. Received: nan or inf.")
        height, width = (int(side) for side in np.ceil(corner) + 1)
        yield DescribedImage(os.path.relpath(stem, folder).replace(os.sep, "/"), global_descriptor,
                             (height, width), local)


def write_images(path: str, output_format: str, images: Iterable[DescribedImage],
                 config: dict | None = None, local_dtype: str = "float16") -> int:
    """Writes images in any of FORMATS but `mat`; returns how many.

    Args:
        path: a folder for `delg` and `delf`, else a file; replaced if there.
        output_format: as in the module's docstring.
        images: one after the other.
        config: of the shard, with the `fingerprint` of the model, for `shards`.
        local_dtype: of local descriptors, for `shards` and `hloc`.

    Raises:
        ValueError: if images do not go together, or an id cannot be the name of a file.
    """
    if output_format == "shards":
        return _write_shard(path, images, config or {}, local_dtype)
    if output_format == "hloc":
        return hloc.write_features(path, images, local_dtype)
    num_images = 0
    for image in images:
        if {"", ".", ".."} & set(image.id.split("/")) or "\0" in image.id:
            raise ValueError(f"Ids must be names of files below {path}. Received: {image.id!r}.")
        stem = os.path.join(path, image.id)
        if output_format == "delg" and image.global_descriptor.size:
            delf.write_datum(stem + _GLOBAL_SUFFIX, image.global_descriptor)
        delf.write_local_features(stem + _LOCAL_SUFFIXES[output_format], image.local)
        num_images += 1
    return num_images


def _write_shard(path: str, images: Iterable[DescribedImage], config: dict, local_dtype: str) -> int:
    images = iter(images)
    first: list[DescribedImage] = []
    for image in images:  # up to one that tells the dimension of local descriptors
        first.append(image)
        if len(image.local):
            break
    if not path.endswith(".h5") or not first:
        raise ValueError(f"`output` must be NAME.h5, for one image or more. "
                         f"Received: output={path!r}, {len(first)} images.")
    local_dim = first[-1].local.descriptors.shape[1]
    global_dim = first[0].global_descriptor.size
    num_images = 0
    with FeatureShardWriter(path, config, global_dim, local_dim, local_dtype) as writer:
        for image in itertools.chain(first, images):
            if image.global_descriptor.size != global_dim:
                raise ValueError(f"Global descriptors of {path} must have one dimension. "
                                 f"Received: {global_dim} of {first[0].id!r}, "
                                 f"{image.global_descriptor.size} of {image.id!r}.")
            writer.append(image.id, unit_vectors(image.global_descriptor), image.image_size,
                          best_first(image.local, local_dim))
            num_images += 1
    return num_images


def best_first(local: LocalFeatures, dim: int) -> LocalFeatures:
    """Features as shards hold them: by falling score, descriptors [n, dim] of unit norm."""
    if not len(local):
        return no_local_features(dim)
    order = np.argsort(-local.scores, kind="stable")
    return LocalFeatures(local.keypoints_yx[order], unit_vectors(local.descriptors[order]),
                         local.scores[order], local.scales[order])


def with_suffix(images: Iterable[DescribedImage], suffix: str) -> Iterator[DescribedImage]:
    """The images by the names of their files, see `file_name`."""
    return (dataclasses.replace(image, id=file_name(image.id, suffix)) for image in images)


def file_name(image_id: str, suffix: str) -> str:
    """An id with `suffix` after it, unless it ends in that of an image file: hloc and COLMAP name files."""
    return image_id if image_id.lower().endswith((*SUFFIXES, suffix or "\0")) else image_id + suffix


def without_suffix(images: Iterable[DescribedImage], suffix: str) -> Iterator[DescribedImage]:
    """The images with `suffix` taken off their ids; a ValueError for one that does not end in it."""
    for image in images:
        if not image.id.endswith(suffix) or image.id == suffix:
            raise ValueError(f"Ids must end in `name_suffix` {suffix!r}. Received: {image.id!r}.")
        yield dataclasses.replace(image, id=image.id[:len(image.id) - len(suffix)])


def match_pairs(reader: FeatureReader, named: Iterable[tuple[str, str]], config: SearchConfig = PAIR_CONFIG,
                suffix: str = "") -> Iterator[PairMatches]:
    """Matches and inliers of pairs of images, the first of each as the query; transforms are of their files.

    Args:
        reader: the features of all the images.
        named: pairs of ids or of `file_name`s.
        config: matcher, verifier and their settings; inliers fewer than its `min_inliers` count as none.
        suffix: of the names that are returned, as of `file_name`.

    Raises:
        ValueError: if an id is not among the features.
    """
    rows = {file_name(image_id, suffix): row for row, image_id in enumerate(reader.ids)}
    for first, second in ((file_name(one, suffix), file_name(other, suffix)) for one, other in named):
        unknown = [name for name in (first, second) if name not in rows]
        if unknown:
            raise ValueError(f"Pairs must be of images in {reader.paths[0]} and its like. "
                             f"Received: {unknown[0]!r}.")
        one, other = (reader.local_features(rows[name]) for name in (first, second))
        height, width = map(int, reader.image_sizes[rows[first]])
        verified = pairs.verify_pair(one, other, config, (height, width))
        found = matching.one_to_one(verified.matches)
        if verified.num_inliers < config.min_inliers:
            verified = pairs.VerifiedPair(np.full((3, 3), np.nan), *np.zeros((2, 0), np.int64), found)
        matches, inliers = (np.stack([chosen.query_rows, chosen.index_rows], axis=1)
                            for chosen in (found, verified))
        distances = np.linalg.norm(one.descriptors[inliers[:, 0]] - other.descriptors[inliers[:, 1]], axis=1)
        backs = [orientation.to_stored(reader.orientations.get(reader.ids[row], 1), reader.image_sizes[row])
                 for row in (rows[first], rows[second])]
        yield PairMatches(first, second, len(one), matches, 1 - found.distances / 2,
                          inliers, 1 - distances / 2, backs[0] @ verified.transform @ np.linalg.inv(backs[1]))


def write_hloc_matches(path: str, features: str, named: Iterable[tuple[str, str]],
                       config: SearchConfig = PAIR_CONFIG, suffix: str = "",
                       inliers_only: bool = False) -> int:
    """Writes the matches of pairs of images in feature shards; returns how many pairs.

    Args:
        path: of the file, replaced if there.
        features: glob of the shards of all the images.
        named, config, suffix: as for `match_pairs`.
        inliers_only: whether only matches that agree on a transform are written.
    """
    with FeatureReader(features) as reader:
        return hloc.write_matches(path, (
            (pair.first, pair.second, pair.num_keypoints, pair.inliers, pair.inlier_scores) if inliers_only
            else (pair.first, pair.second, pair.num_keypoints, pair.matches, pair.scores)
            for pair in match_pairs(reader, named, config, suffix)))


def write_colmap(path: str, images: Iterable[DescribedImage], pair_matches: Iterable[PairMatches]) -> int:
    """Writes a COLMAP database of images and their pairs; returns how many images."""
    with colmap.ColmapDatabaseWriter(path) as writer:
        for image in images:
            writer.add_image(image)
        for pair in pair_matches:
            writer.add_pair(pair.first, pair.second, pair.matches, pair.inliers, pair.transform)
    return writer.num_images


def write_mat(path: str, index_features: str, query_features: str, ground_truth: str) -> int:
    """Writes X and Q in the order of a ground truth; returns how many images there are in both.

    Raises:
        ValueError: if an image of the ground truth has no features.
    """
    truth = load_ground_truth(ground_truth)
    matrices = []
    for pattern, ids in ((index_features, truth.index_ids), (query_features, truth.query_ids)):
        with FeatureReader(pattern) as reader:
            missing = [image_id for image_id in ids if image_id not in reader.row_of]
            if missing:
                raise ValueError(f"{pattern} must have features of every image of {ground_truth}. "
                                 f"Received: none of {missing[0]!r} and {len(missing) - 1} more.")
            if not reader.global_descriptors.size:
                raise ValueError(f"{pattern} must have global descriptors to be written as {path}. "
                                 "Received: local features alone.")
            matrices.append(reader.global_descriptors[[reader.row_of[image_id] for image_id in ids]])
    matlab.write_descriptors(path, *matrices)
    return sum(map(len, matrices))


def read_mat(path: str, ground_truth: str, output_dir: str, config: dict) -> int:
    """Makes `index-00000-of-00001.h5` and `query-00000-of-00001.h5` of X and Q; returns how many images.

    Raises:
        ValueError: if X and Q have not as many columns as the ground truth has images and queries.
    """
    truth = load_ground_truth(ground_truth)
    index, query = matlab.read_descriptors(path)
    if (len(index), len(query)) != (len(truth.index_ids), len(truth.query_ids)):
        raise ValueError(f"X and Q of {path} must have the columns that {ground_truth} names: "
                         f"{len(truth.index_ids)} and {len(truth.query_ids)}. "
                         f"Received: {len(index)} and {len(query)}.")
    for split, ids, descriptors in (("index", truth.index_ids, index), ("query", truth.query_ids, query)):
        _write_shard(os.path.join(output_dir, f"{split}-00000-of-00001.h5"),
                     (DescribedImage(image_id, descriptor, (1, 1), no_local_features())
                      for image_id, descriptor in zip(ids, descriptors)), config, "float16")
    return len(index) + len(query)
