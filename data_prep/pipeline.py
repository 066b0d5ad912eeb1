"""Shards in, batches of images out.

Training order: each epoch shuffles the shard files, reads several side by side and shuffles records in a
buffer of still encoded images. Everything random comes from (seed, epoch) or (seed, number of the example),
never from state, so a run can be taken up at any step.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from data_prep import augment, shards
from data_prep.example import NO_LABEL, parse_example
from data_prep.manifest import Split, manifest_beside

AUGMENTATIONS = ("paper", "none")
_FILES_AT_ONCE = 16
_READ_BYTES = 1 << 20  # buffer of one open shard


class Example(NamedTuple):
    """One image of a shard, still encoded."""

    id: str
    encoded: bytes  # JPEG or PNG file
    label: int  # -1: none
    height: int  # pixels
    width: int
    query_bbox: np.ndarray | None  # float32 [4]: x1, y1, x2, y2 in pixels; None: no box
    domain: str


def make_dataset(pattern: str, image_size: int, batch_size: int, seed: int, training: bool,
                 augmentation: str = "paper", shuffle_buffer: int = 10_000, start_step: int = 0,
                 min_crop_area: float = augment.MIN_CROP_AREA) -> tf.data.Dataset:
    """Batches of images and labels from the shards that match a pattern.

    Training: endless, shuffled anew each epoch, every batch full. Otherwise: one pass in the order of the
    shards, whole images (`augmentation` does not apply), the last batch as small as it comes.

    Args:
        pattern: glob of shards; dataset.json lies beside them.
        image_size: side of the images, pixels.
        batch_size: images per batch, over all replicas.
        seed: same seed, same batches.
        training: whether to shuffle, augment and repeat.
        augmentation: "paper", a random crop; "none", the whole image.
        shuffle_buffer: encoded images held for shuffling.
        start_step: batches to skip: the dataset goes on exactly where one from step 0 would be.
        min_crop_area: of the random crop, as a share of the image's area, in (0, 1].

    Returns:
        Pairs of images, uint8 [batch, image_size, image_size, 3] RGB, and labels, int32 [batch] (-1: none).
        A label outside the range in dataset.json raises `tf.errors.InvalidArgumentError`.

    Raises:
        ValueError: for a setting out of its range, and for shards that dataset.json contradicts.
        FileNotFoundError: if no shard matches, or dataset.json is missing.
    """
    if augmentation not in AUGMENTATIONS:
        raise ValueError(f"`augmentation` must be one of {', '.join(AUGMENTATIONS)}. "
                         f"Received: augmentation={augmentation!r}.")
    for name, value, least in (("image_size", image_size, 1), ("batch_size", batch_size, 1),
                               ("shuffle_buffer", shuffle_buffer, 1), ("start_step", start_step, 0)):
        if value < least:
            raise ValueError(f"`{name}` must be at least {least}. Received: {name}={value}.")
    files, split = _open(pattern)
    if training and split.label_range is None:
        raise ValueError(f"Training needs labelled shards. Received: {pattern!r}, which has no labels.")
    if not 0 < min_crop_area <= 1:
        raise ValueError(f"`min_crop_area` must be in (0, 1]. Received: min_crop_area={min_crop_area}.")
    skip = start_step * batch_size
    if training:
        records = _shuffled_records(files, split.num_examples, seed, shuffle_buffer, skip)
    else:
        records = tf.data.TFRecordDataset(files, buffer_size=_READ_BYTES).skip(skip)

    def to_pixels(number: tf.Tensor, serialized: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        fields = parse_example(serialized)
        label = _checked_label(fields, pattern, split)
        if training and augmentation == "paper":
            image = augment.random_crop(fields["encoded"], image_size, tf.stack([seed, number]),
                                        min_crop_area)
        else:
            image = augment.resize_whole(fields["encoded"], image_size)
        return image, label

    dataset = records.enumerate(start=skip)
    dataset = dataset.map(to_pixels, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    dataset = dataset.batch(batch_size, drop_remainder=training)
    options = tf.data.Options()
    options.deterministic = True
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    return dataset.with_options(options).prefetch(tf.data.AUTOTUNE)


def read_examples(pattern: str) -> tf.data.Dataset:
    """Every example of the matching shards once, in order: the dict of `example.parse_example`."""
    files, _ = _open(pattern)
    dataset = tf.data.TFRecordDataset(files, buffer_size=_READ_BYTES)
    dataset = dataset.map(parse_example, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return dataset.prefetch(tf.data.AUTOTUNE)


def iterate_examples(pattern: str) -> Iterator[Example]:
    """Every example of the matching shards once, in order, as plain Python values."""
    for fields in read_examples(pattern).as_numpy_iterator():
        has_box = fields["query_bbox"][2] >= 0
        yield Example(id=fields["id"].decode(), encoded=fields["encoded"], label=int(fields["label"]),
                      height=int(fields["height"]), width=int(fields["width"]),
                      query_bbox=fields["query_bbox"] if has_box else None,
                      domain=fields["domain"].decode())


def count_examples(pattern: str) -> int:
    """Number of examples in the matching shards, by dataset.json."""
    return _open(pattern)[1].num_examples


def _open(pattern: str) -> tuple[list[str], Split]:
    files = shards.find_shards(pattern)
    manifests = {os.path.dirname(path): None for path in files}
    if len(manifests) > 1:
        raise ValueError(f"Shards of one pattern must lie in one folder. Received: {pattern!r}, "
                         f"which matches in {len(manifests)} folders.")
    split = manifest_beside(files[0]).select(files)
    if split.num_examples == 0:
        raise ValueError(f"The shards must hold at least one example. Received: none in {pattern!r}.")
    return files, split


def _shuffled_records(files: list[str], num_examples: int, seed: int, shuffle_buffer: int,
                      skip: int) -> tf.data.Dataset:
    """Endless serialized examples, epoch after epoch, from example number `skip` on."""
    first_epoch, skip_in_epoch = divmod(skip, num_examples)

    def epoch_records(epoch: tf.Tensor) -> tf.data.Dataset:
        tf.random.set_seed(1)  # of this function's graph only: the caller's global seed must not matter
        epoch_seed = tf.stack([tf.constant(seed, tf.int64), epoch])
        shuffled = tf.random.experimental.stateless_shuffle(tf.constant(files), seed=epoch_seed)
        records = tf.data.Dataset.from_tensor_slices(shuffled).interleave(
            lambda file: tf.data.TFRecordDataset(file, buffer_size=_READ_BYTES),
            cycle_length=min(_FILES_AT_ONCE, len(files)), num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True)
        buffer_seed = tf.random.stateless_uniform([], epoch_seed, 0, 2**31 - 1, tf.int64)
        records = records.shuffle(min(shuffle_buffer, num_examples), seed=buffer_seed)
        return records.skip(tf.where(epoch == first_epoch, tf.constant(skip_in_epoch, tf.int64), 0))

    return tf.data.Dataset.counter(start=first_epoch).flat_map(epoch_records)


def _checked_label(fields: dict[str, tf.Tensor], pattern: str, split: Split) -> tf.Tensor:
    label = fields["label"]
    low, high = split.label_range or (NO_LABEL, NO_LABEL + 1)
    check = tf.debugging.Assert(
        (low <= label) & (label < high),
        [f"Labels of {pattern!r} must be in [{low}, {high}), as its dataset.json says. Received: label=",
         label, "of image", fields["id"]])
    with tf.control_dependencies([check]):
        return tf.cast(label, tf.int32)
