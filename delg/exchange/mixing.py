"""Feature shards with the local features of another system, such as ALIKED, XFeat or SIFT from hloc.

Ids, global descriptors and image sizes stay; each image takes its local features from an hloc file, by its
name. Index, search, verification and report use them as they use ours.
"""

from __future__ import annotations

import os

import numpy as np

from data_prep.images import orientation
from data_prep.stage import lock, progress
from delg.exchange import hloc
from delg.exchange.conversion import best_first, file_name
from delg.features import shards
from delg.features.reader import FeatureReader, find_feature_shards
from delg.features.shards import FeatureShardWriter, LocalFeatures
from delg.scores.ground_truth import load_ground_truth

_OF_OUR_FEATURES = ("local_scales", "score_threshold", "recoded_from", "converted_from")  # in `config`


def mix_local_features(features: str, local_features: str, output_dir: str, name: str,
                       local_dtype: str = "float16", suffix: str = "", max_num_features: int = 0,
                       ground_truth: str = "") -> int:
    """Writes shards of the same names to another folder, replaced if there; returns how many images.

    The fingerprint becomes `<ours>+<name>`, so that nothing is searched together with other local features.

    Args:
        features: glob or folder of feature shards.
        local_features: hloc file with all images of the shards, of any dimension and type of numbers.
        output_dir: made where it does not exist.
        name: stands for the other system in the fingerprint.
        local_dtype: of stored local descriptors.
        suffix: of the names in the hloc file, as of `conversion.file_name`.
        max_num_features: kept per image, those of best score; 0: all.
        ground_truth: file whose queries lose the features outside of their boxes; empty: none does.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: the hloc file lacks an image, has it in another size (without one: with keypoints
            outside), or with descriptors of another dimension than the others; or `output_dir` is where the
            shards are.
        OSError: another process writes one of these shards.
    """
    sources = find_feature_shards(features)
    boxes = {}
    if ground_truth:
        truth = load_ground_truth(ground_truth)
        boxes = dict(zip(truth.query_ids, truth.boxes))
    os.makedirs(output_dir, exist_ok=True)
    outputs = [os.path.join(output_dir, os.path.basename(source)) for source in sources]
    if any(os.path.exists(output) and os.path.samefile(source, output)
           for source, output in zip(sources, outputs)):
        raise ValueError("`output` must be another folder than that of the features. "
                         f"Received: {output_dir!r}.")
    with lock.alone_at(outputs), FeatureReader(features) as reader, hloc.FeatureFile(local_features) as file:
        names = [file_name(image_id, suffix) for image_id in reader.ids]
        _check_names(file, names, features)
        config = {key: value for key, value in reader.config.items() if key not in _OF_OUR_FEATURES}
        config.update(fingerprint=f"{config.get('fingerprint', '')}+{name}", local_features=name,
                      local_dtype=local_dtype, max_num_features=max_num_features)
        dim = _dimension(file, names)
        rows = iter(zip(reader.ids, names, reader.global_descriptors, reader.image_sizes.tolist()))
        for source, output in progress.track(list(zip(sources, outputs)), "Mixing", unit="shards"):
            _, notes = shards.read_shard_attributes(source)
            with (shards.open_checked(source) as shard,
                  FeatureShardWriter(output, config, reader.global_descriptors.shape[1], dim,
                                     local_dtype) as writer):
                writer.notes.update(notes)
                for _ in range(shard["ids"].size):
                    image_id, image_name, descriptor, size = next(rows)
                    local = _upright(file, image_name, size, reader.orientations.get(image_id, 1))
                    local = best_first(_inside(local, boxes.get(image_id)), dim)
                    writer.append(image_id, descriptor, size, _first(local, max_num_features))
    return len(names)


def _check_names(file: hloc.FeatureFile, names: list[str], features: str) -> None:
    known = set(file.names)
    missing = [name for name in names if name not in known]
    if missing:
        raise ValueError(f"{file.path} must have local features of every image of {features}, names as after "
                         f"`name_suffix`. Received: none of {missing[0]!r} and {len(missing) - 1} more; it "
                         f"has {', '.join(file.names[:3])}.")


def _dimension(file: hloc.FeatureFile, names: list[str]) -> int:
    for name in names:
        local = file.image(name).local
        if len(local) and local.descriptors.shape[1]:
            return local.descriptors.shape[1]
    raise ValueError(f"{file.path} must hold local features with descriptors. Received: none.")


def _upright(file: hloc.FeatureFile, name: str, size: tuple[int, int], turned: int) -> LocalFeatures:
    """Features of an image in the pixels of its shard, which may have turned it upright."""
    image, stored = file.image(name), orientation.stored_size(turned, tuple(size))
    points_yx, has_size = image.local.keypoints_yx, file.has_size(name)
    if has_size and image.image_size != stored:
        raise ValueError(f"{file.path} must have the features of the images of the shards, in their sizes. "
                         f"Received: {name} of {image.image_size} instead of {stored}, height and width.")
    if not has_size and len(points_yx) and not np.all((points_yx > -1) & (points_yx < stored)):
        raise ValueError(f"{file.path}: keypoints of {name} must lie in the image of {stored}, height and "
                         f"width. Received: y, x from {points_yx.min(axis=0)} to {points_yx.max(axis=0)}.")
    forward = np.linalg.inv(orientation.to_stored(turned, tuple(size)))
    points_xy = points_yx[:, ::-1] @ forward[:2, :2].T + forward[:2, 2]
    local = image.local
    return LocalFeatures(points_xy[:, ::-1].astype(np.float32), local.descriptors, local.scores, local.scales)


def _inside(local: LocalFeatures, box: np.ndarray | None) -> LocalFeatures:
    if box is None or not len(local):
        return local
    y, x = local.keypoints_yx.T
    return _rows(local, (x >= box[0]) & (x <= box[2]) & (y >= box[1]) & (y <= box[3]))


def _first(local: LocalFeatures, count: int) -> LocalFeatures:
    return _rows(local, slice(count)) if count else local


def _rows(local: LocalFeatures, rows: np.ndarray | slice) -> LocalFeatures:
    return LocalFeatures(local.keypoints_yx[rows], local.descriptors[rows], local.scores[rows],
                         local.scales[rows])
