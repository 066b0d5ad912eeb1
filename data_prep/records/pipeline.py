"""Shards in, batches of images out.

What is read when is arithmetic on record numbers (`record_order`, `class_batches`), so that a run can be
taken up at any step without reading what came before, and memory holds only the images on their way.
Everything random comes from (seed, epoch) or (seed, place in the training), never from state. Records are
read by a Python function, a few dozen at a time: the process that trains must see the shards.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from absl import logging

from data_prep.images import augment
from data_prep.images.augmentations import AUGMENTATIONS
from data_prep.images.image_headers import MAX_PIXELS
from data_prep.records import shards
from data_prep.records.class_batches import ClassBatches
from data_prep.records.example import NO_LABEL, parse_example
from data_prep.records.manifest import Split, manifest_beside
from data_prep.records.record_labels import share_of_equal_neighbours
from data_prep.records.record_order import FILES_AT_ONCE, RecordOrder, Stretch
from data_prep.records.record_reading import RecordReader, read_details
from data_prep.stage import jobs

_READ_AT_ONCE = 32  # records; chosen
_READS_AHEAD = 8  # times as many; enough to hide the delay of a disk on the network; chosen
_CROPPED_AT_ONCE = 4  # images, at most; of more the graph takes longer to get ready; chosen
_READ_BYTES = 1 << 20  # buffer of a shard that is read from start to end


class Example(NamedTuple):
    """One image of a shard, still encoded."""

    id: str
    encoded: bytes  # JPEG or PNG file
    label: int  # -1: none
    height: int  # pixels
    width: int
    query_bbox: np.ndarray | None  # float32 [4]: x1, y1, x2, y2 in pixels; None: no box
    domain: str
    max_pixels: int = MAX_PIXELS  # that an image of its shards may have
    orientation: int = 1  # of EXIF, of the file that it was turned from; 1: it was not turned


def make_dataset(pattern: str, image_size: int, batch_size: int, seed: int, training: bool,
                 augmentation: str = "paper", shuffle_buffer: int = 10_000, start_step: int = 0,
                 min_crop_area: float = augment.MIN_CROP_AREA, images_per_class: int = 0,
                 worker_index: int = 0, num_workers: int = 1,
                 shuffle_width: int = FILES_AT_ONCE) -> tf.data.Dataset:
    """Batches of images and labels from the shards that match a pattern.

    Training: endless, shuffled anew each epoch, every batch full. Otherwise: one pass in the order of the
    shards, whole images (`augmentation` does not apply), the last batch as small as it comes.

    Args:
        pattern: glob of shards; dataset.json lies beside them.
        image_size: side of the images, pixels.
        batch_size: images per batch; of this worker.
        seed: same seed, same batches.
        training: whether to shuffle, augment and repeat.
        augmentation: of AUGMENTATIONS: "paper", a random crop; "strong", a random crop of changed colours,
            sharpness and shape, see `strong_augment`; "none", the whole image.
        shuffle_buffer: records shuffled together; this takes no memory.
        start_step: batches to skip: the dataset goes on exactly where one from step 0 would be.
        min_crop_area: of the random crop, as a share of the image's area, in (0, 1].
        images_per_class: for training, K images of each of `batch_size` / K classes in every batch, see
            `class_batches`; 0: any images.
        worker_index: of this worker, from 0, in training.
        num_workers: that share each step, with equal `batch_size`: together they read what one would that
            has them all.

    Returns:
        Pairs of images, uint8 [batch, image_size, image_size, 3] RGB, and labels, int32 [batch] (-1: none).
        A label outside the range in dataset.json raises `tf.errors.InvalidArgumentError`.

    Raises:
        ValueError: for a setting out of its range, and for shards that dataset.json contradicts.
        FileNotFoundError: if no shard matches, or dataset.json is missing.
    """
    _check_arguments(image_size, batch_size, training, augmentation, shuffle_buffer, start_step,
                     min_crop_area, images_per_class, num_workers, shuffle_width)
    files, split = open_shards(pattern)
    if training and split.label_range is None:
        raise ValueError(f"Training needs labelled shards. Received: {pattern!r}, which has no labels.")
    if training and images_per_class:
        batches = ClassBatches(read_details(files, split.shards).labels, batch_size // images_per_class,
                               images_per_class, seed, worker_index, num_workers)
        records = _records(files, split, batches.take, start_step)
    elif training:
        _warn_of_sorted(pattern, files, split, shuffle_buffer, shuffle_width)
        order = RecordOrder([shard.num_examples for shard in split.shards], seed, shuffle_buffer,
                            worker_index, num_workers, batch_size, shuffle_width)
        skip = start_step * batch_size
        records = _records(files, split, lambda step: order.take(skip + step * _READ_AT_ONCE, _READ_AT_ONCE))
    else:
        records = tf.data.TFRecordDataset(files, buffer_size=_READ_BYTES).skip(start_step * batch_size)
        records = records.enumerate()

    def whole(_: tf.Tensor, serialized: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        fields = parse_example(serialized)
        return augment.resize_whole(fields["encoded"], image_size), _checked_labels(fields, pattern, split)

    if not training or not AUGMENTATIONS[augmentation].crops:
        return _batched(records.map(whole, num_parallel_calls=tf.data.AUTOTUNE), batch_size, training)

    return _crops(records, image_size, batch_size, seed, AUGMENTATIONS[augmentation].change, min_crop_area,
                  lambda fields: _checked_labels(fields, pattern, split))


def _check_arguments(image_size: int, batch_size: int, training: bool, augmentation: str,
                     shuffle_buffer: int, start_step: int, min_crop_area: float, images_per_class: int,
                     num_workers: int, shuffle_width: int) -> None:
    if augmentation not in AUGMENTATIONS:
        raise ValueError(f"`augmentation` must be one of {', '.join(AUGMENTATIONS)}. "
                         f"Received: augmentation={augmentation!r}.")
    for name, value, least in (("image_size", image_size, 1), ("batch_size", batch_size, 1),
                               ("shuffle_buffer", shuffle_buffer, 1), ("start_step", start_step, 0),
                               ("shuffle_width", shuffle_width, 1),
                               ("images_per_class", images_per_class, 0)):
        if value < least:
            raise ValueError(f"`{name}` must be at least {least}. Received: {name}={value}.")
    if images_per_class and batch_size % images_per_class:
        raise ValueError("`batch_size` must be a multiple of `images_per_class`. Received: "
                         f"batch_size={batch_size}, images_per_class={images_per_class}.")
    if not training and (images_per_class or num_workers > 1):
        raise ValueError("`images_per_class` and `num_workers` must be left alone when not training. "
                         f"Received: images_per_class={images_per_class}, num_workers={num_workers}.")
    if not 0 < min_crop_area <= 1:
        raise ValueError(f"`min_crop_area` must be in (0, 1]. Received: min_crop_area={min_crop_area}.")


def _warn_of_sorted(pattern: str, files: list[str], split: Split, shuffle_buffer: int,
                    shuffle_width: int) -> None:
    """Warns of shards so sorted by class that what is shuffled together would hold few classes."""
    if shuffle_buffer >= split.num_examples:
        return
    found, shuffled = share_of_equal_neighbours(files, split.shards)
    if found > (1 + shuffled) / 2:
        logging.warning(
            "The shards of %r are sorted by class: %.0f %% of the neighbours looked at have one label. "
            "Batches may hold few classes: shuffle_buffer=%d draws from shuffle_width=%d of %d shards at a "
            "time. Raise both, up to %d and %d; neither takes memory.", pattern, 100 * found, shuffle_buffer,
            min(shuffle_width, len(files)), len(files), split.num_examples, len(files))


def _crops(records: tf.data.Dataset, image_size: int, batch_size: int, seed: int, change: Callable | None,
           min_crop_area: float, labels_of: Callable) -> tf.data.Dataset:
    """Endless batches of random crops, some of them decoded in one operation."""
    chunk = max(size for size in range(1, _CROPPED_AT_ONCE + 1) if batch_size % size == 0)

    def crops(places: tf.Tensor, serialized: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        fields = parse_example(serialized)
        seeds = tf.stack([tf.fill([chunk], tf.constant(seed, tf.int64)), places], axis=1)
        images = augment.random_crops(fields["encoded"], image_size, seeds, min_crop_area, change)
        return images, labels_of(fields)

    records = records.batch(chunk, drop_remainder=True)
    chunks = records.map(crops, num_parallel_calls=tf.data.AUTOTUNE)
    chunks = _batched(chunks, batch_size // chunk, training=True)
    return chunks.map(lambda images, labels: (
        tf.reshape(images, [batch_size, image_size, image_size, 3]), tf.reshape(labels, [batch_size])))


def read_examples(pattern: str) -> tf.data.Dataset:
    """Every example of the matching shards once, in order: the dict of `example.parse_example`."""
    files, _ = open_shards(pattern)
    dataset = tf.data.TFRecordDataset(files, buffer_size=_READ_BYTES)
    dataset = dataset.map(parse_example, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return dataset.prefetch(tf.data.AUTOTUNE)


def iterate_examples(pattern: str) -> Iterator[Example]:
    """Every example of the matching shards once, in order, as plain Python values."""
    examples = read_examples(pattern)  # says first whether there are shards at all
    max_pixels = manifest_beside(pattern).max_pixels
    for fields in examples.as_numpy_iterator():
        has_box = fields["query_bbox"][2] >= 0
        yield Example(id=fields["id"].decode(), encoded=fields["encoded"], label=int(fields["label"]),
                      height=int(fields["height"]), width=int(fields["width"]),
                      query_bbox=fields["query_bbox"] if has_box else None,
                      domain=fields["domain"].decode(), max_pixels=max_pixels,
                      orientation=int(fields["orientation"]))


def read_pairs(pattern: str) -> tf.data.Dataset:
    """Every pair of the matching shards once, in order: two dicts of `example.parse_example`.

    The images of a pair share their `pair` and lie next to each other in one shard; the first of a pair comes
    first. Images without a neighbour of their pair are left out.
    """
    files, _ = open_shards(pattern)

    def of_file(file: tf.Tensor) -> tf.data.Dataset:
        fields = tf.data.TFRecordDataset(file, buffer_size=_READ_BYTES).map(parse_example)
        pairs = tf.data.Dataset.zip((fields, fields.skip(1)))
        return pairs.filter(lambda one, other: (one["pair"] != "") & (one["pair"] == other["pair"]))

    return tf.data.Dataset.from_tensor_slices(files).flat_map(of_file).prefetch(tf.data.AUTOTUNE)


def of_domain(examples: tf.data.Dataset, domain: str) -> tf.data.Dataset:
    """Those of `read_examples` that have this domain, such as "day" or "night"."""
    return examples.filter(lambda fields: fields["domain"] == domain)


def count_examples(pattern: str) -> int:
    """Number of examples in the matching shards, by dataset.json."""
    return open_shards(pattern)[1].num_examples


def open_shards(pattern: str) -> tuple[list[str], Split]:
    """The shards that match a pattern, sorted, and what the dataset.json beside them says of them.

    Raises:
        FileNotFoundError: if no shard matches, or dataset.json is missing.
        ValueError: if they lie in several folders, dataset.json contradicts them, or they hold no example.
    """
    files = shards.find_shards(pattern)
    manifests = {os.path.dirname(path): None for path in files}
    if len(manifests) > 1:
        raise ValueError(f"Shards of one pattern must lie in one folder. Received: {pattern!r}, "
                         f"which matches in {len(manifests)} folders.")
    split = manifest_beside(files[0]).select(files)
    if split.num_examples == 0:
        raise ValueError(f"The shards must hold at least one example. Received: none in {pattern!r}.")
    return files, split


def _records(files: list[str], split: Split, take: Callable[[int], Stretch],
             start: int = 0) -> tf.data.Dataset:
    """Places and serialized examples of the stretches `take(start)`, `take(start + 1)`, ..., endless."""
    reader = RecordReader(files, split.shards)

    def read(step: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        stretch = take(int(step))
        return stretch.places, reader.read(stretch.numbers)

    def stretches(step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        places, examples = tf.numpy_function(read, [step], (tf.int64, tf.string))
        return tf.ensure_shape(places, [None]), tf.ensure_shape(examples, [None])

    steps = tf.data.Dataset.counter(start=start)
    return steps.map(stretches, num_parallel_calls=_READS_AHEAD).unbatch()


def _batched(examples: tf.data.Dataset, batch_size: int, training: bool) -> tf.data.Dataset:
    dataset = examples.batch(batch_size, drop_remainder=training)
    options = tf.data.Options()
    options.deterministic = True
    # Calls that read wait for the disk or for Python's lock; the processors go on decoding in other threads.
    options.threading.private_threadpool_size = jobs.num_processors() + _READS_AHEAD
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    return dataset.with_options(options).prefetch(tf.data.AUTOTUNE)


def _checked_labels(fields: dict[str, tf.Tensor], pattern: str, split: Split) -> tf.Tensor:
    """Labels of one example, int32 [], or of several, int32 [n]."""
    labels = fields["label"]
    low, high = split.label_range or (NO_LABEL, NO_LABEL + 1)
    wrong = (labels < low) | (labels >= high)
    check = tf.debugging.Assert(
        ~tf.reduce_any(wrong),
        [f"Labels of {pattern!r} must be in [{low}, {high}), as its dataset.json says. Received: label=",
         tf.boolean_mask(tf.reshape(labels, [-1]), tf.reshape(wrong, [-1])), "of image",
         tf.boolean_mask(tf.reshape(fields["id"], [-1]), tf.reshape(wrong, [-1]))])
    with tf.control_dependencies([check]):
        return tf.cast(labels, tf.int32)


def read_examples_of(pattern: str, image_ids: Collection[str], flag: str) -> dict[str, Example]:
    """The still encoded images of these ids, read in one pass that ends when all are found.

    Raises:
        FileNotFoundError: if no shard matches.
        ValueError: if an image is in none of the shards; names the flag they came by.
    """
    wanted = set(image_ids)
    found: dict[str, Example] = {}
    for example in iterate_examples(pattern) if wanted else ():
        if example.id in wanted:
            found[example.id] = example
            if len(found) == len(wanted):
                break
    missing = sorted(wanted - found.keys())
    if missing:
        raise ValueError(f"Every image shown must be in the shards of `{flag}`. Received: {pattern!r}, "
                         f"which lacks {len(missing)}, the first is {missing[0]!r}.")
    return found
