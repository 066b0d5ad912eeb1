"""Encoding as a stage: TFRecord shards of day and night images in, feature shards of descriptors out."""

from __future__ import annotations

import functools
import os
from typing import Any

import numpy as np
import tensorflow as tf

from data_prep.records import shards
from data_prep.records.pipeline import Example
from data_prep.records.shard_stage import plan_shards, write_left_out
from data_prep.stage.stored_settings import from_stored
from data_prep.stage.streams import mapped_in_order
from delg.exports import saved_models
from delg.exports.export_config import CONFIG_FILE, read_export_config
from delg.features import preparing
from delg.features import shards as feature_shards
from delg.features.preparing import BadImageError
from delg.features.shard_extraction import extract_tfrecord_shard
from delg.features.shards import ImageFeatures, no_local_features
from vae.networks.config import DOMAINS, ModelConfig


def encode_images(saved_model: str, pattern: str, output_dir: str,
                  max_bad_fraction: float = 0.05) -> list[str]:
    """Writes `output_dir/<shard>.h5` for every TFRecord shard that matches: descriptors, no local features.

    Finished shards are kept, those of other images or another model refused. Images that cannot be decoded
    are left out and listed in `<split>.left_out.json`.

    Args:
        saved_model: folder made by `export.export_vae`.
        pattern: glob of TFRecord shards, of images that say whether they are by day or by night, with
            dataset.json beside them.
        output_dir: made where it does not exist.
        max_bad_fraction: of all images; more bad ones stop the job.

    Returns:
        Paths of the feature shards, in the order of the TFRecord shards.

    Raises:
        FileNotFoundError: if the model or the shards are not there.
        ValueError: if the model is no VAE, an image has no domain, `output_dir` holds features that do not
            belong, or too many images are bad.
    """
    shards.find_shards(pattern)  # before the model is loaded
    describer = DayNightDescriber(saved_model)
    with plan_shards(pattern, output_dir, describer.settings, feature_shards.read_shard_attributes,
                     {}) as plan:
        limit = plan.limit(max_bad_fraction)
        describe = functools.partial(mapped_in_order, describer.describe_or_refuse)
        plan.make(os.path.basename(pattern), lambda source, output, sha256, on_image: extract_tfrecord_shard(
            describer, describe, source, output, sha256, limit, on_image))
        write_left_out(plan.outputs, feature_shards.read_shard_attributes)
    return plan.outputs


class DayNightDescriber:
    """Descriptors of encoded images by an exported VAE. May be called from several threads.

    Args:
        saved_model: folder made by `export.export_vae`.

    Attributes:
        settings: what the descriptors depend on.
        global_dim: length of a descriptor.
        local_dim: 0, of local features, which there are none of.

    Raises:
        FileNotFoundError: there is no SavedModel.
        ValueError: it is no exported VAE.
    """

    local_dim = 0

    def __init__(self, saved_model: str):
        saved_models.check_is_there(saved_model, "saved_model", "vae.export_model")
        config = read_export_config(saved_model)
        if config is None or config.get("kind") != "vae":
            raise ValueError("`saved_model` must be made by vae.export_model. Received: "
                             f"{saved_model}, which is another model.")
        self._module = saved_models.load(saved_model)  # held: its variables live as long as it does
        self.settings: dict[str, Any] = {"kind": "vae", "fingerprint": config["fingerprint"]}
        side = from_stored(ModelConfig, config["model"], f"{saved_model}/{CONFIG_FILE}").image_size
        self.global_dim = len(self._describe(np.zeros((side, side, 3), np.uint8), "day"))

    def describe_or_refuse(self, example: Example) -> tuple[str, ImageFeatures | BadImageError]:
        """Id of an image, and its descriptor by the encoder of its domain, or why it cannot be decoded.

        Raises:
            ValueError: the image has no domain.
        """
        if example.domain not in DOMAINS:
            raise ValueError("Images must be by day or by night; build shards with --dataset=day_night. "
                             f"Received: domain={example.domain!r} of image {example.id}.")
        try:
            image = preparing.decode(example.encoded, example.max_pixels)
        except BadImageError as error:
            return example.id, error
        return example.id, ImageFeatures(
            self._describe(image, example.domain), no_local_features(), image.shape[:2])

    def _describe(self, image: np.ndarray, domain: str) -> np.ndarray:
        outputs = self._module.signatures[f"encode_{domain}"](images=tf.constant(image[np.newaxis]))
        return outputs["descriptor"].numpy()[0]
