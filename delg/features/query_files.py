"""Image files described as queries of a search: with a model and settings that go with the index images'."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from data_prep.images import intake
from data_prep.records.shard_stage import BadImageLimit
from data_prep.stage import files
from data_prep.stage.lazy_module import LazyModule
from data_prep.stage.settings import require
from data_prep.stage.stored_settings import from_stored
from delg.features import shards
from delg.features.folder_features import find_image_files
from delg.features.late_describer import LateDescriber
from delg.features.reader import find_feature_shards
from delg.features.shard_extraction import UnreadImage, describe_images, extract_shard
from delg.settings.extraction import ExtractConfig

if TYPE_CHECKING:
    from delg.features.describing import ImageDescriber

describing = LazyModule("delg.features.describing")


def describe_queries(saved_model: str, images: str, index_features: str, output: str) -> None:
    """Writes a feature shard of queries, described as index images were.

    Args:
        saved_model: folder of the model that described these.
        images: folder of image files, whose ids are their paths in it, or glob, where they are whole paths.
        index_features: glob or folder of the index images' feature shards.
        output: path of the shard.

    Raises:
        FileNotFoundError: the model, images or features are not there.
        ValueError: an image cannot be used, or the model is not that of the features.
    """
    describer = describer_of_queries(saved_model, index_features)
    if os.path.isdir(images):
        paths = {image_id: os.path.join(images, file.path)
                 for image_id, file in find_image_files(images).items()}
    else:
        paths = {path: path for path in files.matching(images)}
    if not paths:
        raise FileNotFoundError(f"`query_images` must match image files. Received: {images!r}.")
    describe_files(describer, paths, output)


def describer_of_queries(saved_model: str, index_features: str) -> ImageDescriber:
    """What describes queries as index images were described.

    Args:
        saved_model: folder of the model that described these.
        index_features: glob or folder of the index images' feature shards.

    Raises:
        FileNotFoundError: the model or features are not there.
        ValueError: the model is not that of the features, or these are whitened.
    """
    like = find_feature_shards(index_features)[0]
    stored, _ = shards.read_shard_attributes(like)
    require("whitening" not in stored, "`index_features` must not be whitened for `query_images`: describe "
            "the queries by delg.extract_features --whitening.", index_features=like)
    require("translator" not in stored, "`index_features` must not be translated for `query_images`: "
            "describe the queries by delg.extract_features --photometric.", index_features=like)
    config = from_stored(ExtractConfig, {name: value for name, value in stored.items()
                                         if name != "fingerprint"}, like)
    describer = describing.ImageDescriber(saved_model, config)
    different = shards.differing_settings(stored, describer.settings)
    require(not different, f"`saved_model` must be the model of `index_features`. The settings of {like} "
            f"differ in: {', '.join(different)}.", saved_model=saved_model)
    return describer


def describe_files(describer: ImageDescriber | LateDescriber, paths: Mapping[str, str], output: str,
                   box: Sequence[float] = ()) -> None:
    """Writes a feature shard of image files, id -> path; of each only the box, if there is one."""
    bbox = np.asarray(box, np.float32) if len(box) else None
    images = (UnreadImage(image_id, lambda path=path: intake.read_image(path).encoded, bbox)
              for image_id, path in paths.items())
    extract_shard(describer, describe_images(describer, images), output, dict,
                  BadImageLimit(0.0, len(paths)), lambda: None)
