"""Speed of the reader against its peers, measured in the same run.

    python -m tests.benchmarks.bench_reader

Makes JPEGs of 512 pixels, builds shards of them, and reads these in turn with (a) the reader, (b) the
arrangement of the reference training (files in order, a shuffle buffer of 100, one thread, whole decoding,
no prefetch), and (c) bare libjpeg-turbo through cv2.imdecode on as many threads as there are processors.
Takes a minute or two; prints images/s, processor time per image, and the ratios. Rounds alternate, and the
median counts, so that other work on the machine falls on all alike; processor time hardly feels it.
"""

from __future__ import annotations

import glob
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent import futures
from typing import NamedTuple

import cv2
import numpy as np
import tensorflow as tf
from absl import flags

from data_prep.building import building
from data_prep.building.config import BuildConfig
from data_prep.records import pipeline
from data_prep.stage import command_line, jobs
from tests.benchmarks.generated_images import write_images

_NUM_IMAGES = flags.DEFINE_integer("num_images", 2000, "JPEGs to generate.")
_IMAGE_SIZE = flags.DEFINE_integer("image_size", 321, "Side of the images read, pixels.")
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 32, "Images per batch.")
_NUM_ROUNDS = flags.DEFINE_integer("num_rounds", 3, "Measurements of each.")
_IMAGES_DIR = flags.DEFINE_string("images_dir", None, "Folder per class of JPEGs to use instead.")
_WARM_UP = 4  # batches


NUM_PROCESSORS = jobs.num_processors()


def reference_arrangement(files: list[str], image_size: int, batch_size: int) -> tf.data.Dataset:
    """The input of the reference training, with its settings."""
    def parse(serialized: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        fields = tf.io.parse_single_example(serialized, {
            "image/encoded": tf.io.FixedLenFeature([], tf.string),
            "image/class/label": tf.io.FixedLenFeature([], tf.int64)})
        image = (tf.cast(tf.io.decode_jpeg(fields["image/encoded"], channels=3), tf.float32) - 128) / 128
        begin, size, _ = tf.image.sample_distorted_bounding_box(
            tf.shape(image), tf.zeros([0, 0, 4]), min_object_covered=0.1, aspect_ratio_range=(3 / 4, 4 / 3),
            area_range=(0.08, 1.0), max_attempts=100, use_image_if_no_bounding_boxes=True)
        crop = tf.slice(image, begin, size)
        return tf.image.resize(crop, [image_size, image_size], method="area"), fields["image/class/label"]

    return tf.data.TFRecordDataset(files).repeat().shuffle(100).map(parse).batch(batch_size)


class Speed(NamedTuple):
    """How fast something went."""

    rate: float  # images/s
    cost: float  # milliseconds of processor time per image, over all threads


def timed(work: Callable[[], int]) -> Speed:
    """The speed of a function that returns how many images it did."""
    wall, processor = time.perf_counter(), time.process_time()
    count = work()
    return Speed(count / (time.perf_counter() - wall), (time.process_time() - processor) / count * 1e3)


def reading(dataset: tf.data.Dataset, num_batches: int) -> Callable[[], Speed]:
    """A function that measures reading some batches, the start not counted.

    Each time with an iterator of its own: one that waits goes on reading ahead, at the cost of whatever is
    measured meanwhile.
    """
    def measure() -> Speed:
        batches = iter(dataset)
        for _ in range(_WARM_UP):
            next(batches)
        return timed(lambda: sum(len(next(batches)[1]) for _ in range(num_batches)))

    return measure


def decoding(files: list[str]) -> Speed:
    """cv2.imdecode alone, every processor at work."""
    encoded = [np.fromfile(path, np.uint8) for path in files]
    with futures.ThreadPoolExecutor(NUM_PROCESSORS) as pool:
        return timed(lambda: sum(size > 0 for size in pool.map(
            lambda data: cv2.imdecode(data, cv2.IMREAD_COLOR).size, encoded)))


def main(_: list[str]) -> None:
    cv2.setNumThreads(1)
    size, batch = _IMAGE_SIZE.value, _BATCH_SIZE.value
    with tempfile.TemporaryDirectory() as directory:
        images_dir, output_dir = _IMAGES_DIR.value or os.path.join(directory, "images"), f"{directory}/shards"
        if not _IMAGES_DIR.value:
            write_images(images_dir, _NUM_IMAGES.value)
        files = sorted(glob.glob(os.path.join(images_dir, "*", "*.jpg")))
        kilobytes = statistics.mean(map(os.path.getsize, files)) / 1e3
        config = BuildConfig("folder", images_dir, output_dir, validation_fraction=0)
        building.build(config)
        pattern = os.path.join(output_dir, "train*")
        crops, whole = (pipeline.make_dataset(pattern, size, batch, 0, True, augmentation, len(files))
                        for augmentation in ("paper", "none"))
        reference = reference_arrangement(sorted(glob.glob(pattern)), size, batch)
        steps = len(files) // batch
        measures = {"reader, paper's crops": reading(crops, steps),
                    "reader, whole images": reading(whole, steps),
                    "reference arrangement": reading(reference, steps),
                    "cv2.imdecode alone": lambda: decoding(files)}
        found: dict[str, list[Speed]] = {name: [] for name in measures}
        for _ in range(_NUM_ROUNDS.value):
            for name, measure in measures.items():
                found[name].append(measure())
    speeds = {name: Speed(*map(statistics.median, zip(*rounds))) for name, rounds in found.items()}
    print(f"{len(files)} JPEGs of {kilobytes:.0f} KB, {NUM_PROCESSORS} processors, "
          f"load {os.getloadavg()[0]:.1f}")
    for name, speed in speeds.items():
        print(f"{name:22s} {speed.rate:6.0f} images/s  {speed.cost:5.2f} ms of processor time per image")
    reader, bare = speeds["reader, paper's crops"], speeds["cv2.imdecode alone"]
    for name, one, other in (("reader / cv2.imdecode alone", reader, bare),
                             ("reader / reference arrangement", reader, speeds["reference arrangement"])):
        print(f"{name:31s} {one.rate / other.rate:.2f} by the clock, "
              f"{other.cost / one.cost:.2f} by processor time")


if __name__ == "__main__":
    command_line.run(main)
