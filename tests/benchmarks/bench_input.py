"""The reader against tf.data's own, with a step that costs nothing, on the same shards in one run.

    python -m tests.benchmarks.bench_input

Makes JPEGs of 512 pixels, builds 16 shards of them, and reads crops of 321 pixels with (a) the reader and (b)
tf.data's interleave, a shuffle buffer, decode_and_crop_jpeg and resize. Nothing trains, so that whoever hands
on images slowly is seen: Python's lock is the reader's ceiling. Prints images/s of the first hundred batches,
their start counted, and from then on, the ratios, and when the first batch of the reader comes if each read
takes a millisecond, with the places of records kept beside the shards and without. Takes some minutes.
"""

from __future__ import annotations

import glob
import os
import shutil
import statistics
import tempfile
import time
from unittest import mock

import cv2
import tensorflow as tf
from absl import flags

from data_prep.building import building
from data_prep.building.config import BuildConfig
from data_prep.images import augment
from data_prep.records import pipeline
from data_prep.stage import byte_ranges, command_line
from tests.benchmarks.generated_images import write_images

_NUM_IMAGES = flags.DEFINE_integer("num_images", 1600, "JPEGs to generate.")
_IMAGE_SIZE = flags.DEFINE_integer("image_size", 321, "Side of the images read, pixels.")
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 32, "Images per batch.")
_NUM_ROUNDS = flags.DEFINE_integer("num_rounds", 3, "Measurements of each.")
_NUM_BATCHES = flags.DEFINE_integer("num_batches", 100, "Batches of the start, and of the time after it.")
_READ_SECONDS = flags.DEFINE_float("read_seconds", 0.001, "What each read takes where storage is slow.")
_NUM_SHARDS = 16


def own_reader_of_tf_data(files: list[str], image_size: int, batch_size: int) -> tf.data.Dataset:
    """What a tutorial of tf.data would have: shards side by side, a shuffle buffer, crops decoded alone."""
    def crop(serialized: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        fields = tf.io.parse_single_example(serialized, {
            "image/encoded": tf.io.FixedLenFeature([], tf.string),
            "image/class/label": tf.io.FixedLenFeature([], tf.int64)})
        shape = tf.io.extract_jpeg_shape(fields["image/encoded"])
        begin, size, _ = tf.image.sample_distorted_bounding_box(
            shape, tf.zeros([0, 0, 4]), min_object_covered=0.1, aspect_ratio_range=(3 / 4, 4 / 3),
            area_range=(augment.MIN_CROP_AREA, 1.0), use_image_if_no_bounding_boxes=True)
        window = tf.concat([begin[:2], size[:2]], axis=0)
        pixels = tf.io.decode_and_crop_jpeg(fields["image/encoded"], window, channels=3)
        return tf.cast(tf.image.resize(pixels, [image_size] * 2), tf.uint8), fields["image/class/label"]

    records = tf.data.Dataset.from_tensor_slices(files).repeat().interleave(
        lambda path: tf.data.TFRecordDataset(path, buffer_size=1 << 20), cycle_length=_NUM_SHARDS,
        num_parallel_calls=tf.data.AUTOTUNE)
    crops = records.shuffle(1000).map(crop, num_parallel_calls=tf.data.AUTOTUNE)
    return crops.batch(batch_size, drop_remainder=True).prefetch(tf.data.AUTOTUNE)


def rates(dataset: tf.data.Dataset, num_batches: int, batch_size: int) -> tuple[float, float]:
    """Images/s of the first batches, from the iterator's making on, and of as many after them."""
    times = [time.perf_counter()]
    batches = iter(dataset)
    for _ in range(2):
        for _ in range(num_batches):
            next(batches)
        times.append(time.perf_counter())
    return tuple(num_batches * batch_size / (end - start) for start, end in zip(times, times[1:]))


def seconds_to_first_batch(pattern: str, read_seconds: float) -> float:
    """Of the reader, where each read of a shard takes so long more."""
    read = byte_ranges.RangeFile.read

    def slow(self, offset: int, length: int) -> bytes:
        time.sleep(read_seconds)
        return read(self, offset, length)

    with mock.patch.object(byte_ranges.RangeFile, "read", slow):
        start = time.perf_counter()
        dataset = pipeline.make_dataset(pattern, _IMAGE_SIZE.value, _BATCH_SIZE.value, 0, True,
                                        shuffle_buffer=_NUM_IMAGES.value)
        next(iter(dataset))
        return time.perf_counter() - start


def main(_: list[str]) -> None:
    cv2.setNumThreads(1)
    size, batch, count = _IMAGE_SIZE.value, _BATCH_SIZE.value, _NUM_BATCHES.value
    with tempfile.TemporaryDirectory() as directory:
        images_dir, output_dir = os.path.join(directory, "images"), os.path.join(directory, "shards")
        write_images(images_dir, _NUM_IMAGES.value)
        building.build(BuildConfig("folder", images_dir, output_dir, validation_fraction=0,
                                   num_shards=_NUM_SHARDS))
        pattern = os.path.join(output_dir, "train*")
        readers = {
            "reader": lambda seed: pipeline.make_dataset(pattern, size, batch, seed, True,
                                                         shuffle_buffer=_NUM_IMAGES.value),
            "tf.data's own": lambda _: own_reader_of_tf_data(sorted(glob.glob(pattern)), size, batch)}
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in readers}
        for round_number in range(_NUM_ROUNDS.value):
            for name, make in readers.items():
                found[name].append(rates(make(round_number), count, batch))
                print(f"round {round_number}, {name}: {found[name][-1]}", flush=True)
        speeds = {name: tuple(map(statistics.median, zip(*rounds))) for name, rounds in found.items()}
        for name, (first, then) in speeds.items():
            print(f"{name:14s} {first:6.0f} images/s in the first {count} batches, {then:6.0f} in the next")
        ratios = [one / other for one, other in zip(*speeds.values())]
        print(f"reader / tf.data's own: {ratios[0]:.2f} and {ratios[1]:.2f}")
        first = seconds_to_first_batch(pattern, _READ_SECONDS.value)
        shutil.rmtree(os.path.join(output_dir, ".details"))
        looked = seconds_to_first_batch(pattern, _READ_SECONDS.value)
        print(f"first batch, {_READ_SECONDS.value * 1e3:g} ms a read: {first:.2f} s; {looked:.2f} s where "
              f"{_NUM_IMAGES.value} records are looked for first; load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    command_line.run(main)
