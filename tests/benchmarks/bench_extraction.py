"""Speed of feature extraction against a plain float32 loop over images and scales, in the same run.

    python -m tests.benchmarks.bench_extraction
    python -m tests.benchmarks.bench_extraction --backbone=resnet50 --width=1 --image_size=1024 \\
        --num_images=4 --num_rounds=1

Takes features at the default scales (7 local, 3 of them global) from JPEGs with the same weights in
(a) the stage, `shard_extraction.extract_shard`, local and global; (b) the stage, global only; (c) the
arrangement of the reference: one image and one scale at a time in a compiled float32 graph, all heads at all
seven scales. Reading and decoding are part of each, writing of (a) and (b) only; loading the model is not
counted. Rounds alternate, and the median counts, so that other work on the machine falls on all alike;
processor time, which suffers less from it, is printed too. Then the cosines between the descriptors of (a)
and (c) at the same keypoints, and, as a measure of what they are worth, between different images.

The model is untrained, its BatchNorm statistics those of its images: without, all descriptors would be alike.
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

from data_prep.records import pipeline, shards
from data_prep.records.example import encode_example
from data_prep.records.manifest import Manifest, Split, save_manifest
from data_prep.records.shard_stage import BadImageLimit
from data_prep.stage import command_line
from delg.exports import reduced_precision, saving
from delg.exports.extraction_module import resize_images
from delg.features import reader as features_reader
from delg.features.describing import ImageDescriber
from delg.features.shard_extraction import describe_examples, extract_shard
from delg.networks import backbone, model_files
from delg.networks.delg import build_delg, descriptor_model
from delg.settings.extraction import EXTRACT_PRECISIONS, ExtractConfig
from delg.settings.kinds import BACKBONES
from delg.settings.model import ModelConfig

_BACKBONE = flags.DEFINE_enum("backbone", "resnet18", list(BACKBONES), "Of the model, untrained.")
_WIDTH = flags.DEFINE_float("width", 0.25, "Channel factor of resnet18.")
_NUM_IMAGES = flags.DEFINE_integer("num_images", 48, "JPEGs to describe.")
_IMAGE_SIZE = flags.DEFINE_integer("image_size", 256, "Longer side of the images, pixels.")
_NUM_ROUNDS = flags.DEFINE_integer("num_rounds", 3, "Measurements of each.")
_PRECISION = flags.DEFINE_enum("precision", "bfloat16", EXTRACT_PRECISIONS, "Of the stage.")
_BATCH_SIZE = flags.DEFINE_integer("batch_size", ExtractConfig.batch_size, "Of the stage.")
_CALIBRATED = flags.DEFINE_bool("calibrated", True, "Give BatchNorm the statistics of the images.")

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


def calibrate(model: keras.Model, path: str) -> None:
    """Sets the statistics of every BatchNorm to those of a crop of the first image."""
    image = tf.io.decode_jpeg(next(iter(pipeline.iterate_examples(path))).encoded, channels=3)
    layers = list(model.layers)
    while layers:
        layer = layers.pop()
        layers += getattr(layer, "layers", [])
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    model(tf.cast(image[tf.newaxis, :256, :256], tf.float32), training=True)


def reference_arrangement(run, path: str, config: ExtractConfig) -> list[tuple[np.ndarray, ...]]:
    """Features as the reference takes them: `run` is the model, all outputs.

    Returns:
        Per image: global descriptor [D]; places [n, 3], scale, row and column of cells; descriptors [n, d].
    """
    features = []
    for example in pipeline.iterate_examples(path):
        image = tf.io.decode_jpeg(example.encoded, channels=3)[tf.newaxis]
        descriptors, scores, local, places = [], [], [], []
        for scale in config.local_scales:
            size = tf.cast(tf.round(tf.cast(tf.shape(image)[1:3], tf.float32) * scale), tf.int32)
            outputs = run(resize_images(image, size))  # or cosines would compare resizing
            rows, columns = np.indices(outputs["attention_scores"].shape[1:3]).reshape(2, -1)
            places.append(np.stack([np.full(rows.size, scale), rows, columns], axis=1))
            scores.append(tf.reshape(outputs["attention_scores"], [-1]))
            local.append(tf.reshape(outputs["local_descriptors"], [tf.size(scores[-1]), -1]))
            descriptors.append(outputs["global_descriptor"][0])
        scores = tf.concat(scores, 0)
        kept = tf.math.top_k(scores, tf.minimum(config.max_num_features, tf.size(scores))).indices
        local = tf.math.l2_normalize(tf.gather(tf.concat(local, 0), kept), axis=-1)
        descriptors = tf.math.l2_normalize(tf.stack(descriptors[3:6]), axis=-1)
        features.append((tf.math.l2_normalize(tf.reduce_sum(descriptors, 0)).numpy(),
                         np.concatenate(places)[kept.numpy()], local.numpy()))
    return features


def print_cosines(features_path: str, reference: list[tuple[np.ndarray, ...]], stride: int) -> None:
    """Prints how alike the stage's descriptors and those of the plain loop are."""
    with features_reader.FeatureReader(features_path) as reader:
        first = np.stack([found[0] for found in reference])
        alike = [("global", reduced_precision.cosines(first, reader.global_descriptors), len(first))]
        local, wanted = [], 0
        for row, (_, places, descriptors) in enumerate(reference):
            found = reader.local_features(row)
            cells = np.round(found.keypoints_yx / found.scales[:, None] / stride)
            theirs = np.column_stack([1 / found.scales, cells])
            local.append(reduced_precision.keypoint_cosines((places, descriptors),
                                                            (theirs, found.descriptors)))
            wanted += len(places)
        alike.append(("local", np.concatenate(local), wanted))
        for name, cosines, total in alike:
            print(f"  {name}: mean cosine {cosines.mean():.5f}, 1 % below {np.quantile(cosines, 0.01):.5f}, "
                  f"least {cosines.min():.5f}; {cosines.size} of {total} in both")
        others = (first @ first.T)[~np.eye(len(first), dtype=bool)]
        print(f"  global of different images: mean cosine {others.mean():.5f}")


def main(_) -> None:
    keras.utils.set_random_seed(0)
    model_config = ModelConfig(num_classes=10, backbone=_BACKBONE.value, width=_WIDTH.value)
    model = build_delg(model_config)
    part = descriptor_model(model, _OUTPUTS)
    graph = tf.function(lambda images: part(images, training=False),
                        input_signature=[tf.TensorSpec([1, None, None, 3], tf.float32)])
    # Scales above 1 enlarge what scale 1 has, as in the plain loop: the images are no larger than the limit.
    both = ExtractConfig(max_image_size=_IMAGE_SIZE.value, score_threshold=0.0, precision=_PRECISION.value,
                         batch_size=_BATCH_SIZE.value)
    global_only = dataclasses.replace(both, local_scales=())
    with tempfile.TemporaryDirectory() as folder:
        path = write_shard(folder, _NUM_IMAGES.value, _IMAGE_SIZE.value)
        if _CALIBRATED.value:
            calibrate(model, path)
        saved_model = os.path.join(folder, "saved_model")
        field = backbone.receptive_field(model_config.backbone)
        saving.write_saved_model(model, {
            "model": dataclasses.asdict(model_config), "attention_threshold": 0.0,
            "receptive_field": list(field), "fingerprint": model_files.fingerprint(model)}, saved_model)
        reference: list[tuple[np.ndarray, ...]] = []
        limit = BadImageLimit(0.0, _NUM_IMAGES.value)
        describers = [ImageDescriber(saved_model, config) for config in (both, global_only)]
        outputs = [os.path.join(folder, name) for name in ("both.h5", "global.h5")]
        ways = {
            "stage, local and global": lambda: extract_shard(
                describers[0], describe_examples(describers[0], pipeline.iterate_examples(path)),
                outputs[0], dict, limit, lambda: None),
            "stage, global only": lambda: extract_shard(
                describers[1], describe_examples(describers[1], pipeline.iterate_examples(path)),
                outputs[1], dict, limit, lambda: None),
            "plain loop": lambda: reference.__setitem__(
                slice(None), reference_arrangement(graph, path, both))}
        wall: dict[str, list[float]] = {name: [] for name in ways}
        processor: dict[str, list[float]] = {name: [] for name in ways}
        for number in range(_NUM_ROUNDS.value + 1):
            for name, way in ways.items():
                start = np.array([time.perf_counter(), time.process_time()])
                way()
                taken = np.array([time.perf_counter(), time.process_time()]) - start
                if number:  # the first round warms up
                    wall[name].append(taken[0])
                    processor[name].append(taken[1])
        print(f"{_NUM_IMAGES.value} images of {_IMAGE_SIZE.value} pixels, {model_config.backbone} of width "
              f"{model_config.width}, {describers[0].settings['precision']} against float32:")
        for name in ways:
            ratios = [statistics.median(found["plain loop"]) / statistics.median(found[name])
                      for found in (wall, processor)]
            print(f"  {name}: {_NUM_IMAGES.value / statistics.median(wall[name]):.3f} images/s, "
                  f"{statistics.median(processor[name]) / _NUM_IMAGES.value:.3f} s of processor time each; "
                  f"{ratios[0]:.2f} times the plain loop, by processor time {ratios[1]:.2f}")
        print_cosines(outputs[0], reference, field[1])


if __name__ == "__main__":
    command_line.run(main)
