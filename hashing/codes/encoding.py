"""Encoding as a stage: TFRecord shards of images in, code shards out, one for one.

A code shard that is finished is not made again; one that was made from other images, by another model or
with other settings is refused. Several processes may share a job by giving each a part of the pattern.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import tensorflow as tf
from absl import logging

from data_prep.images import augment
from data_prep.records import pipeline
from data_prep.records.manifest import manifest_beside
from data_prep.records.shard_stage import plan_shards
from data_prep.stage.stored_settings import from_stored
from delg.exports.export_config import read_export_config
from delg.networks import model_files
from delg.vectors import sign_bits
from hashing.codes import code_shards, codes
from hashing.codes.code_module import CodeModule
from hashing.codes.code_shards import EncodedImages, concatenate, read_attributes, write_code_shard
from hashing.codes.export import KIND
from hashing.data.image_batches import middle, resized_size
from hashing.networks.config import ModelConfig
from hashing.networks.model_dir import load_hashing

_NUM_THREADS = min(4, os.cpu_count() or 1)  # that decode images; chosen


class Encoder:
    """A trained model, as a SavedModel or from its model directory: photos in, codes out.

    Args:
        saved_model: folder of `hashing.export_model`; or empty.
        model_dir: folder of `hashing.train`, of which the best weights count; or empty.
        num_bits: the first bits of its codes, of a length that it was trained at; 0: all.

    Attributes:
        fingerprint: SHA-256 of the weights, the same for a model and its export.
        code_size: bits, K.
        prefix_sizes: bits that its codes may be cut to further.
        image_size: side of the images that the network sees, pixels.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: both or neither are given, the folder holds something else, or its codes cannot be cut to
            `num_bits`.
    """

    def __init__(self, saved_model: str = "", model_dir: str = "", num_bits: int = 0):
        if bool(saved_model) == bool(model_dir):
            raise ValueError("Give one of `saved_model` and `model_dir`. "
                             f"Received: saved_model={saved_model!r}, model_dir={model_dir!r}.")
        if model_dir:
            model, stored = load_hashing(model_dir)
            self._module: Any = CodeModule(model, stored["model"]["image_size"])
            config = {"model": stored["model"], "fingerprint": model_files.fingerprint(model)}
            self._run: Callable = self._module.batch
        else:
            config = read_export_config(saved_model) or {}
            if config.get("kind") != KIND:
                raise ValueError("`saved_model` must be a folder written by hashing.export_model. "
                                 f"Received: {saved_model!r}.")
            self._module = tf.saved_model.load(saved_model)
            signature = self._module.signatures["batch"]
            self._run = lambda images: signature(images=images)
        self.fingerprint: str = config["fingerprint"]
        made_of = from_stored(ModelConfig, config["model"], saved_model or model_dir).cut(num_bits)
        self.code_size, self.image_size = made_of.code_size, made_of.image_size
        self.prefix_sizes = made_of.lengths[:-1]

    def prepare(self, encoded: bytes) -> np.ndarray | None:
        """A photo as the network sees it: JPEG or PNG file to uint8 [S, S, 3]; None: it does not decode."""
        try:
            whole = augment.resize_whole(tf.constant(encoded), resized_size(self.image_size))
        except tf.errors.InvalidArgumentError:
            return None
        return middle(whole[None], self.image_size)[0].numpy()

    def encode(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Packed codes uint8 [B, ceil(K / 8)], values float32 [B, K], features float32 [B, D] of images.

        Args:
            images: uint8, [B, S, S, 3], prepared.
        """
        outputs = self._run(tf.constant(images))
        packed, values, features = (outputs[name].numpy() for name in ("packed_codes", "codes", "features"))
        return codes.cut(packed, self.code_size), values[:, :self.code_size], features


def encode_images(encoder: Encoder, pattern: str, output_dir: str, keep_features: bool = False,
                  batch_size: int = 64, max_bad_fraction: float = 0.05) -> list[str]:
    """Writes `output_dir/<shard>.h5` for every TFRecord shard that matches.

    Args:
        encoder: the model.
        pattern: glob of TFRecord shards with dataset.json beside them.
        output_dir: made where it does not exist.
        keep_features: also store what the code layer sees.
        batch_size: images at once.
        max_bad_fraction: of the images of the pattern; more of them that do not decode stop the job.

    Returns:
        Paths of the code shards, in the order of the TFRecord shards.

    Raises:
        FileNotFoundError: there are no such shards.
        ValueError: `output_dir` holds codes that do not belong, or too many images are bad.
    """
    config = {"fingerprint": encoder.fingerprint, "code_size": encoder.code_size,
              "prefix_sizes": list(encoder.prefix_sizes), "image_size": encoder.image_size,
              "features": keep_features}
    with plan_shards(pattern, output_dir, config, read_attributes, code_shards.DEFAULTS) as plan:
        limit = plan.limit(max_bad_fraction)
        dataset = manifest_beside(pattern).dataset

        def make(source: str, output: str, sha256: str, on_image: Callable[[], None]) -> None:
            parts, left_out = [_no_images(config)], []
            for part, bad in _encoded_batches(encoder, source, config, batch_size):
                parts.append(part)
                left_out += bad
                for image_id in bad:
                    limit.count({"image": image_id, "reason": "it does not decode"})
                for _ in range(len(part) + len(bad)):
                    on_image()
            whole = concatenate(parts)
            write_code_shard(output, whole, {"source_sha256": sha256, "left_out": left_out,
                                             "dataset": dataset})
            logging.info("%s: codes of %d images, %d left out.", output, len(whole), len(left_out))

        plan.make(os.path.basename(pattern), make)
    return plan.outputs


def _encoded_batches(encoder: Encoder, source: str, config: dict[str, Any],
                     batch_size: int) -> Iterator[tuple[EncodedImages, list[str]]]:
    """Codes, batch by batch, and the ids of images that do not decode."""
    examples = pipeline.iterate_examples(source)
    with ThreadPoolExecutor(_NUM_THREADS) as pool:
        while batch := list(itertools.islice(examples, batch_size)):
            pixels = list(pool.map(lambda example: encoder.prepare(example.encoded), batch))
            good = [row for row, image in enumerate(pixels) if image is not None]
            bad = [example.id for example, image in zip(batch, pixels) if image is None]
            if not good:
                yield _no_images(config), bad
                continue
            packed, values, features = encoder.encode(np.stack([pixels[row] for row in good]))
            yield EncodedImages([batch[row].id for row in good],
                                np.array([batch[row].label for row in good], np.int32), packed, values,
                                features if config["features"] else features[:, :0], config), bad


def _no_images(config: dict[str, Any]) -> EncodedImages:
    size = config["code_size"]
    return EncodedImages([], np.zeros(0, np.int32), np.zeros((0, sign_bits.num_bytes(size)), np.uint8),
                         np.zeros((0, size), np.float32), np.zeros((0, 0), np.float32), config)
