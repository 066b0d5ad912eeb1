"""Cost of the strong augmentation, beside that of a crop and of tensorflow-addons, measured in the same run.

    python -m tests.benchmarks.bench_augmentation

Changes generated photographs of 321 pixels with (a) the strong augmentation, and (b) the same built of
tensorflow-addons' functions, and (c) crops them from JPEGs of 512 pixels as the paper does, on one thread.
Takes a minute; prints the processor time of an image and the ratios. Rounds alternate, the least time counts.
"""

from __future__ import annotations

import glob
import os
import tempfile
import time
from collections.abc import Callable

import cv2
import tensorflow as tf
from absl import flags

from data_prep.images import augment, strong_augment
from data_prep.images.addons import tensorflow_addons
from data_prep.stage import command_line
from tests.benchmarks.generated_images import write_images

_IMAGE_SIZE = flags.DEFINE_integer("image_size", 321, "Side of the images, pixels.")
_NUM_IMAGES = flags.DEFINE_integer("num_images", 48, "Images of a round.")
_NUM_ROUNDS = flags.DEFINE_integer("num_rounds", 6, "Measurements of each.")


def by_addons(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """A change of the same kinds in equal strength, by tensorflow-addons; half of the images are blurred."""
    addons = tensorflow_addons()
    draws = tf.random.stateless_uniform([8], seed, -1.0, 1.0)
    size = float(image.shape[0])
    pixels = tf.cast(image, tf.float32) / 255.0
    turn = addons.image.angles_to_projective_transforms(draws[0] * 0.2, size, size)
    pixels = addons.image.transform(pixels, turn, interpolation="bilinear", fill_mode="reflect")
    pixels = tf.cond(draws[1] > 0, lambda: addons.image.gaussian_filter2d(pixels, 9, 1.2), lambda: pixels)
    pixels = addons.image.adjust_hsv_in_yiq(pixels, draws[2] * 0.2, 1 + draws[3] / 2, 1.0)
    mean = tf.reduce_mean(pixels)
    pixels = ((pixels - mean) * (1 + 0.4 * draws[4]) + mean) * (1 + 0.3 * draws[5])
    return tf.cast(tf.clip_by_value(pixels * 255.0 + 0.5, 0.0, 255.0), tf.uint8)


def main(_: list[str]) -> None:
    cv2.setNumThreads(1)
    tf.config.threading.set_intra_op_parallelism_threads(1)
    size, count = _IMAGE_SIZE.value, _NUM_IMAGES.value
    with tempfile.TemporaryDirectory() as directory:
        write_images(directory, 8)
        paths = sorted(glob.glob(os.path.join(directory, "*", "*.jpg")))
        encoded = tf.stack([tf.io.read_file(path) for path in paths])
    images = [augment.resize_whole(image, size) for image in encoded]
    seeds = tf.stack([tf.zeros(count, tf.int64), tf.range(count, dtype=tf.int64)], axis=1)

    def changing(change: Callable) -> Callable[[], None]:
        compiled = tf.function(change)
        return lambda: [compiled(images[number % 8], seeds[number]) for number in range(count)]

    crops = tf.function(lambda some: augment.random_crops(encoded, size, some))
    works = {"strong": changing(strong_augment.distort), "tensorflow-addons": changing(by_addons),
             "paper's crop": lambda: [crops(seeds[first:first + 8]) for first in range(0, count, 8)]}
    least = dict.fromkeys(works, float("inf"))
    for _ in range(_NUM_ROUNDS.value + 1):  # the first also compiles
        for name, work in works.items():
            start = time.process_time()
            work()
            least[name] = min(least[name], (time.process_time() - start) / count * 1e3)
    for name, cost in least.items():
        print(f"{name:18s} {cost:6.2f} ms of processor time per image")
    for other in ("tensorflow-addons", "paper's crop"):
        print(f"strong / {other:18s} {least['strong'] / least[other]:.2f}")


if __name__ == "__main__":
    command_line.run(main)
