"""Speed of feature extraction against the arrangement of the reference, measured in the same run.

    python -m tests.benchmarks.bench_extraction
    python -m tests.benchmarks.bench_extraction --backbone=resnet50 --width=1 --num_images=8

Takes features at the default scales (7 local, 3 of them global) from JPEGs with the same weights in
(a) the stage, `extraction.extract_features`, (b) the reference's arrangement: one image and one scale at a
time in a compiled graph, the global head at all seven scales, (c) the same without a graph. Reading and
decoding are part of each, writing of (a) only; loading the model is not counted. Takes a minute on a quiet
machine; prints images/s and the ratios. Rounds alternate, and the median counts, so that other work on the
machine falls on all alike.
"""

from __future__ import annotations

import dataclasses
import os
import statistics
import tempfile
import time

import cv2
import keras
import numpy as np
import tensorflow as tf
from absl import flags

from data_prep import command_line, pipeline, shards
from data_prep.example import encode_example
from data_prep.manifest import Manifest, Split, save_manifest
from delg import backbones, export, extraction, model_files
from delg.config import BACKBONES, ExtractConfig, ModelConfig
from delg.image_features import ImageDescriber
from delg.model import build_delg, descriptor_model

_BACKBONE = flags.DEFINE_enum("backbone", "resnet18", BACKBONES, "Of the model, untrained.")
_WIDTH = flags.DEFINE_float("width", 0.25, "Channel factor of resnet18.")
_NUM_IMAGES = flags.DEFINE_integer("num_images", 48, "JPEGs to describe.")
_IMAGE_SIZE = flags.DEFINE_integer("image_size", 256, "Longer side of the images, pixels.")
_NUM_ROUNDS = flags.DEFINE_integer("num_rounds", 3, "Measurements of each.")

_OUTPUTS = ("global_descriptor", "attention_scores", "local_descriptors")


def write_shard(folder: str, num_images: int, image_size: int) -> str:
    """A shard of random JPEGs in four shapes; returns its path."""
    rng = np.random.default_rng(0)
    examples = []
    for number in range(num_images):
        height, width = ((1, 0.75), (0.75, 1), (0.66, 1), (1, 1))[number % 4]
        size = round(height * image_size), round(width * image_size)
        coarse = rng.integers(0, 255, (size[0] // 8, size[1] // 8, 3), np.uint8)
        encoded = cv2.imencode(".jpg", cv2.resize(coarse, size[::-1]))[1].tobytes()
        examples.append(encode_example(encoded, f"image{number}", "JPEG", *size))
    path = os.path.join(folder, shards.shard_name("index", 0, 1))
    split = Split(num_images, 0, None, (shards.write_shard(path, examples),))
    save_manifest(Manifest("", "benchmark", 0, 0, (), {"index": split}), folder)
    return path


def reference_arrangement(run, path: str, config: ExtractConfig) -> list[tuple[np.ndarray, np.ndarray]]:
    """Features as the reference takes them (specs/delg.md 2.3): `run` is the model, all outputs."""
    features = []
    for example in pipeline.iterate_examples(path):
        image = tf.io.decode_jpeg(example.encoded, channels=3)[tf.newaxis]
        descriptors, scores, local = [], [], []
        for scale in config.local_scales:
            size = tf.cast(tf.round(tf.cast(tf.shape(image)[1:3], tf.float32) * scale), tf.int32)
            outputs = run(tf.image.resize(image, size))
            scores.append(tf.reshape(outputs["attention_scores"], [-1]))
            local.append(tf.reshape(outputs["local_descriptors"], [tf.size(scores[-1]), -1]))
            descriptors.append(outputs["global_descriptor"][0])
        scores = tf.concat(scores, 0)
        kept = tf.math.top_k(scores, tf.minimum(config.max_num_features, tf.size(scores))).indices
        local = tf.math.l2_normalize(tf.gather(tf.concat(local, 0), kept), axis=-1)
        descriptors = tf.math.l2_normalize(tf.stack(descriptors[3:6]), axis=-1)
        features.append((tf.math.l2_normalize(tf.reduce_sum(descriptors, 0)).numpy(), local.numpy()))
    return features


def main(_) -> None:
    keras.utils.set_random_seed(0)
    model_config = ModelConfig(num_classes=10, backbone=_BACKBONE.value, width=_WIDTH.value)
    model = build_delg(model_config)
    part = descriptor_model(model, _OUTPUTS)
    graph = tf.function(lambda images: part(images, training=False),
                        input_signature=[tf.TensorSpec([1, None, None, 3], tf.float32)])
    config = ExtractConfig(max_image_size=_IMAGE_SIZE.value, score_threshold=0.0)
    with tempfile.TemporaryDirectory() as folder:
        path = write_shard(folder, _NUM_IMAGES.value, _IMAGE_SIZE.value)
        saved_model = os.path.join(folder, "saved_model")
        export.write_saved_model(model, {
            "model": dataclasses.asdict(model_config), "attention_threshold": 0.0,
            "receptive_field": list(backbones.receptive_field(model_config.backbone)),
            "fingerprint": model_files.fingerprint(model)}, saved_model)
        ways = {
            "stage": lambda number: extraction.extract_features(
                saved_model, path, os.path.join(folder, f"features{number}"), config),
            "one scale at a time, graph": lambda number: reference_arrangement(graph, path, config),
            "one scale at a time, eager": lambda number: reference_arrangement(
                lambda images: part(images, training=False), path, config)}
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for number in range(_NUM_ROUNDS.value + 1):
            start = time.perf_counter()
            ImageDescriber(saved_model, config)
            loading = time.perf_counter() - start
            for name, way in ways.items():
                start = time.perf_counter()
                way(number)
                if number:  # the first round warms up
                    seconds[name].append(time.perf_counter() - start - loading * (name == "stage"))
    rates = {name: _NUM_IMAGES.value / statistics.median(times) for name, times in seconds.items()}
    print(f"{_NUM_IMAGES.value} images of {_IMAGE_SIZE.value} pixels, 7 scales, {model_config.backbone} of "
          f"width {model_config.width}; the ratio says how many times as fast the stage is:")
    for name, rate in rates.items():
        print(f"  {name}: {rate:.2f} images/s; ratio {rates['stage'] / rate:.2f}")


if __name__ == "__main__":
    command_line.run(main)
