"""A describer whose model is loaded when an image needs it, since TensorFlow takes seconds to start."""

from __future__ import annotations

import dataclasses
import functools
import glob
import json
import os
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from data_prep.stage.lazy_module import LazyModule
from delg.exports.export_config import read_export_config
from delg.features import shards
from delg.features.preparing import PreparedImage
from delg.features.shards import ImageFeatures
from delg.settings.extraction import NOT_OF_FEATURES, ExtractConfig

if TYPE_CHECKING:
    from delg.features.describing import ImageDescriber

describing = LazyModule("delg.features.describing")


def describer_like(saved_model: str, config: ExtractConfig,
                   features_dir: str) -> ImageDescriber | LateDescriber:
    """What describes images as the features of a folder, in their precision: to try both takes a second.

    Args:
        saved_model: as of `ImageDescriber`, whose errors it raises.
        config: how features are taken.
        features_dir: of feature shards; may be empty, or not exist.
    """
    paths = glob.glob(os.path.join(glob.escape(features_dir), "*.h5"))
    if not paths:
        return describing.ImageDescriber(saved_model, config)
    with shards.open_checked(paths[0]) as file:
        stored = json.loads(file.attrs["config"])
        dimensions = file["global_descriptors"].shape[1], shards.local_dimension(file)
    config = dataclasses.replace(config, precision=stored["precision"])
    exported = read_export_config(saved_model)
    if (config.whitening or config.translator or exported is None
            or shards.differing_settings(stored, json.loads(json.dumps(_expected(config, exported))))):
        return describing.ImageDescriber(saved_model, config)
    return LateDescriber(saved_model, config, stored, *dimensions)


def _expected(config: ExtractConfig, exported: dict[str, Any]) -> dict[str, Any]:
    """The settings that a describer by a model of ours would have."""
    threshold = config.score_threshold
    if threshold is None:
        threshold = float(np.float32(exported["attention_threshold"] or 0.0))
    settings = {**dataclasses.asdict(config), "score_threshold": threshold,
                "fingerprint": exported["fingerprint"]}
    return {name: value for name, value in settings.items() if name not in NOT_OF_FEATURES}


class LateDescriber:
    """An `ImageDescriber` made when it first describes; what it will say of itself is known.

    Args:
        saved_model, config: as of `ImageDescriber`.
        settings, global_dim, local_dim: as its attributes.
    """

    def __init__(self, saved_model: str, config: ExtractConfig, settings: dict[str, Any], global_dim: int,
                 local_dim: int):
        self.settings, self.global_dim, self.local_dim = settings, global_dim, local_dim
        self._made_of = saved_model, config
        self._lock = threading.Lock()

    @functools.cached_property
    def _made(self) -> ImageDescriber:
        return describing.ImageDescriber(*self._made_of)

    def _describer(self) -> ImageDescriber:
        with self._lock:  # several threads prepare images
            return self._made

    def prepare(self, *arguments: Any) -> PreparedImage:
        """As `ImageDescriber.prepare`."""
        return self._describer().prepare(*arguments)

    def images_at_once(self, prepared: PreparedImage) -> int:
        """As `ImageDescriber.images_at_once`."""
        return self._describer().images_at_once(prepared)

    def describe_prepared(self, images: Sequence[PreparedImage]) -> list[ImageFeatures]:
        """As `ImageDescriber.describe_prepared`."""
        return self._describer().describe_prepared(images)
