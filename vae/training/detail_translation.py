"""Translators that keep details, trained towards what a backbone sees of the true view."""

from __future__ import annotations

import dataclasses
import functools
import os
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from absl import logging

from data_prep.stage.settings import require
from data_prep.stage.stored_settings import differences
from delg.exports import saving
from delg.exports.export_config import read_export_config
from delg.fitting.optimizers import build_optimizer
from delg.networks import model_files
from delg.networks.backbone import build_backbone
from delg.photometric.translation import DETAIL_KIND
from delg.settings.kinds import SCHEDULES
from vae.data.photographs import Photographs, read_photographs
from vae.latents import export
from vae.networks.config import DOMAINS, TRANSLATOR_STRIDE
from vae.networks.detail_translator import build_detail_translator
from vae.networks.model import other_domain
from vae.training.translator_config import TranslatorConfig

_FORMAT = 1
_CLIP_NORM = 1.0  # of gradients; chosen
_MAPS = ("local", "global")  # of the backbone


def train_translator(config: TranslatorConfig) -> dict[str, Any]:
    """Trains both directions and writes a SavedModel of them, whole or not at all; a finished one is kept.

    Its signatures `day_to_night` and `night_to_day` take `images`, uint8 [B, H, W, 3] RGB of any size, and
    give `images` of the same form.

    Args:
        config: the settings.

    Returns:
        What `export_config.json`, beside saved_model.pb, holds: `format`, `kind`, `train` (the settings) and
        `fingerprint` (SHA-256 of the weights).

    Raises:
        FileNotFoundError: no shards, or no weight file.
        ValueError: no pairs in the shards, another model in `export_dir`, or weights that did not stay
            finite.
    """
    settings = dataclasses.asdict(config)
    if os.path.isdir(config.export_dir) and os.listdir(config.export_dir):
        return _finished(config.export_dir, settings)
    photographs = read_photographs(config.train_pattern, config.image_size)
    require(len(photographs.paired_rows()) > 0, "`train_pattern` must hold pairs, two images of one view by "
            "day and by night.", train_pattern=config.train_pattern)
    keras.utils.set_random_seed(config.seed)
    backbone = build_backbone(config.backbone, config.width, config.backbone_weights)
    backbone.trainable = False
    networks = {}
    for domain in DOMAINS:
        networks[domain] = _train(photographs, domain, backbone, config)
        logging.info("Trained %s_to_%s.", domain, other_domain(domain))
    module = DetailModule(networks)
    exported = {"format": _FORMAT, "kind": DETAIL_KIND, "train": settings,
                "fingerprint": model_files.fingerprint(module)}
    saving.write_export(module.save, exported, config.export_dir)
    return exported


class DetailModule(tf.Module):
    """What is exported.

    Args:
        networks: by the domain of their images, from `build_detail_translator`.
    """

    def __init__(self, networks: dict[str, keras.Model]):
        super().__init__()
        self._networks = networks
        self.weights = [weight for network in networks.values() for weight in network.weights]

    def save(self, path: str) -> None:
        """Writes the SavedModel."""
        export.save_functions_of_images(self, {
            f"{domain}_to_{other_domain(domain)}": functools.partial(self._translate, network)
            for domain, network in self._networks.items()}, path)

    def _translate(self, network, images):
        def in_bytes(padded):
            translated = network(tf.cast(padded, tf.float32) / 255, training=False)
            return tf.cast(tf.clip_by_value(tf.round(255 * translated), 0, 255), tf.uint8)

        return {"images": export.at_any_size(in_bytes, images, TRANSLATOR_STRIDE)}


def map_distances(found: tf.Tensor, aim: tf.Tensor) -> tf.Tensor:
    """Mean over cells of 1 - cosine: two maps, float [B, h, w, C], to float [B], in [0, 2]."""
    cosines = tf.reduce_sum(tf.nn.l2_normalize(found, -1) * tf.nn.l2_normalize(aim, -1), -1)
    return tf.reduce_mean(1 - cosines, axis=(1, 2))


def _train(photographs: Photographs, domain: str, backbone: keras.Model,
           config: TranslatorConfig) -> keras.Model:
    """The network of one direction, whose maps come near those of the true view."""
    network = build_detail_translator()
    images, truths = (keras.Input((config.crop_size, config.crop_size, 3), name=name)
                      for name in ("images", "truths"))
    found = backbone(255 * network(images / 255), training=False)
    aims = backbone(truths, training=False)
    objective = keras.Model({"images": images, "truths": truths},
                            {name: map_distances(found[name], aims[name]) for name in _MAPS})
    rate = SCHEDULES["cosine"].build(config.learning_rate, config.num_steps, 0)
    objective.compile(
        optimizer=build_optimizer("adam", rate, clip_norm=_CLIP_NORM),
        loss=dict.fromkeys(_MAPS, lambda _, distances: distances), jit_compile=False)
    objective.fit(_batches(photographs, domain, config), steps_per_epoch=config.num_steps, verbose=0)
    if not all(np.all(np.isfinite(weight)) for weight in network.get_weights()):
        raise ValueError("The translator must stay finite; lower `learning_rate`. "
                         f"Received: learning_rate={config.learning_rate}.")
    return network


def _batches(photographs: Photographs, domain: str, config: TranslatorConfig) -> tf.data.Dataset:
    """Batches of equal parts of both images of pairs, mirrored or not: those of a domain, and the truths."""
    generator, size = np.random.default_rng(config.seed), config.crop_size
    pairs = photographs.paired_rows()
    if domain == "night":
        pairs = pairs[:, ::-1]
    count = config.num_steps * config.batch_size
    corners = generator.integers(0, config.image_size - size + 1, (count, 2))
    rows = np.concatenate([generator.permutation(len(pairs)) for _ in range(-(-count // len(pairs)))])[:count]
    held = tf.constant(photographs.images)

    def part(pair, corner, turned):
        both = tf.cast(tf.gather(held, pair)[:, corner[0]:corner[0] + size, corner[1]:corner[1] + size],
                       tf.float32)
        both = tf.ensure_shape(tf.cond(turned, lambda: both[:, :, ::-1], lambda: both), [2, size, size, 3])
        return {"images": both[0], "truths": both[1]}, dict.fromkeys(_MAPS, 0.0)

    drawn = tf.data.Dataset.from_tensor_slices((pairs[rows], corners, generator.random(count) < 0.5))
    return drawn.map(part).batch(config.batch_size)


def _finished(export_dir: str, settings: dict[str, Any]) -> dict[str, Any]:
    """What a SavedModel that is there says of itself, if it is the one that is asked for."""
    found = read_export_config(export_dir) or {}
    different = differences(found.get("train") or {}, settings, {})
    require(found.get("kind") == DETAIL_KIND and not different, "`export_dir` must be empty or hold the "
            f"model that these settings give; of the one there differ: {', '.join(different)}.",
            export_dir=export_dir)
    return found
