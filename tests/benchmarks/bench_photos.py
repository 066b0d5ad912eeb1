"""Describing a folder of photographs against the bare backbone on the same pixels, in the same run.

    python -m tests.benchmarks.bench_photos --num_images=16

(a) what delg.find_images does with new photographs, at its settings: reading, decoding, the model of
efficientnet_lite2 at three scales, writing; (b) the backbone alone, in a compiled graph, on batches of the
same photographs at the same sizes, ready in memory. Rounds alternate and the median counts. Weights are
random: they change no times.
"""

from __future__ import annotations

import dataclasses
import os
import statistics
import tempfile
import time

import cv2
import numpy as np
import tensorflow as tf
from absl import flags

from data_prep.images.intake import read_picture
from data_prep.stage import command_line
from delg.exports import saving
from delg.features.describing import ImageDescriber
from delg.features.query_files import describe_files
from delg.networks.backbone import build_backbone
from delg.pictures.drawing import encode_jpeg
from delg.settings.photos import photo_extraction
from delg.settings.untrained import UntrainedConfig
from delg.untrained.network import build_untrained
from tests.benchmarks.generated_images import write_images

_NUM_IMAGES = flags.DEFINE_integer("num_images", 16, "Photographs of 384 by 512 pixels.")
_NUM_ROUNDS = flags.DEFINE_integer("num_rounds", 3, "Measurements of each.")


def main(_) -> None:
    config, network = photo_extraction(), UntrainedConfig()
    backbone = build_backbone(network.backbone, 1.0, "none", network.local_stride)
    bare = tf.function(lambda images: backbone(images, training=False),
                       input_signature=[tf.TensorSpec([None, None, None, 3], tf.float32)])
    with tempfile.TemporaryDirectory() as folder:
        write_images(os.path.join(folder, "photos"), _NUM_IMAGES.value)
        paths = {entry: os.path.join(parent, entry) for parent, _, entries in os.walk(folder)
                 for entry in entries}
        saved_model = os.path.join(folder, "saved_model")
        saving.export_built(build_untrained(network, "none"), dataclasses.asdict(network), 0.0, saved_model,
                            UntrainedConfig)
        describer = ImageDescriber(saved_model, dataclasses.replace(config, precision="float32"))
        pixels = np.stack([read_picture(path) for path in paths.values()])
        size = describer.images_at_once(describer.prepare(encode_jpeg(pixels[0])))
        batches = [tf.constant(np.stack([cv2.resize(image, None, fx=scale, fy=scale) for image in
                                         pixels[start:start + size]]), tf.float32)
                   for start in range(0, len(pixels), size) for scale in config.local_scales]
        ways = {"describing": lambda: describe_files(describer, paths, os.path.join(folder, "features.h5")),
                "bare backbone": lambda: [bare(batch) for batch in batches]}
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for number in range(_NUM_ROUNDS.value + 1):
            for name, way in ways.items():
                start = time.perf_counter()
                way()
                if number:  # the first round warms up
                    seconds[name].append(time.perf_counter() - start)
    for name, taken in seconds.items():
        print(f"{name}: {len(paths) / statistics.median(taken):.2f} images/s in batches of {size}")
    ratios = [alone / all_of_it for all_of_it, alone in zip(*seconds.values())]
    print(f"describing at {statistics.median(ratios):.2f} of the bare backbone's images/s")


if __name__ == "__main__":
    command_line.run(main)
