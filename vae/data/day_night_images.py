"""Batches of day and of night images from shards, the same ones for the same seed and step.

A batch is a dict: `day` and `night`, uint8 [B, S, S, 3] RGB; `day_label` and `night_label`, int64 [B], the
places (-1: unknown). Row i of both domains is a pair if pairs were asked for, else any two images.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from data_prep.images import augment
from data_prep.records import pipeline
from data_prep.records.example import NO_LABEL, parse_example
from data_prep.records.record_order import RecordOrder, generator
from data_prep.records.record_reading import Details, RecordReader, read_details
from vae.data.kinds import AUGMENTATIONS, PAIRINGS
from vae.networks.config import DOMAINS

_READS_AHEAD = 4  # batches; chosen


@dataclasses.dataclass(frozen=True)
class Pairing:
    """Which images of the two domains are a pair: those of one key.

    Attributes:
        keys: from the details of records to a key for each.
        unknown: key of records that have none.
    """

    keys: Callable[[Details], np.ndarray]
    unknown: bytes | int


FRAME = Pairing(lambda details: details.pairs, b"")  # the two images of a pair
PLACE = Pairing(lambda details: details.labels, NO_LABEL)  # any two of one label


class DayNightRows:
    """Which records may stand side by side in a batch.

    Args:
        pattern: glob of shards.
        pairing: of PAIRINGS, or "none" for any.

    Raises:
        FileNotFoundError: no shard matches.
        ValueError: a domain has no image, or there are no such pairs.
    """

    def __init__(self, pattern: str, pairing: str):
        self.files, self.split = pipeline.open_shards(pattern)
        details = read_details(self.files, self.split.shards)
        numbers = {domain: np.flatnonzero(details.domains == domain.encode()) for domain in DOMAINS}
        missing = [domain for domain in DOMAINS if not len(numbers[domain])]
        if missing:
            raise ValueError(f"The shards must hold images of both domains, day and night. Received: "
                             f"{pattern!r}, which has none of {' or '.join(missing)}.")
        record = PAIRINGS.get(pairing)
        self._groups = {domain: [rows] for domain, rows in numbers.items()}
        self.is_paired = record is not None
        if self.is_paired:
            keys = record.keys(details)
            known = {domain: set(keys[rows].tolist()) - {record.unknown} for domain, rows in numbers.items()}
            shared = sorted(known["day"] & known["night"])
            if not shared:
                raise ValueError(f"`pairing` {pairing} needs images of one {pairing} in both domains. "
                                 f"Received: {pattern!r}, which has none. Take another pairing of "
                                 f"{', '.join(PAIRINGS)}: a places.csv without frames tells places.")
            self._groups = {domain: _rows_of(keys, rows, shared) for domain, rows in numbers.items()}

    def length(self, domain: str) -> int:
        """Images of the domain, or pairs, in an epoch."""
        groups = self._groups[domain]
        return len(groups) if self.is_paired else len(groups[0])

    def choose(self, domain: str, places: np.ndarray, random: np.random.Generator | None) -> np.ndarray:
        """Records at these places of the domain's images, or of the pairs; None takes the first of each."""
        groups = self._groups[domain]
        if not self.is_paired:
            return groups[0][places]
        return np.array([groups[place][random.integers(len(groups[place])) if random else 0]
                         for place in places], np.int64)


def _rows_of(keys: np.ndarray, rows: np.ndarray, wanted: list) -> list[np.ndarray]:
    """For each wanted key the rows that have it."""
    order = rows[np.argsort(keys[rows], kind="stable")]
    starts = np.searchsorted(keys[order], wanted, side="left")
    ends = np.searchsorted(keys[order], wanted, side="right")
    return [order[start:end] for start, end in zip(starts, ends)]


def training_batches(pattern: str, image_size: int, batch_size: int, seed: int, pairing: str = "none",
                     augmentation: str = "none", min_crop_area: float = 0.5, start_step: int = 0,
                     worker_index: int = 0, num_workers: int = 1) -> tf.data.Dataset:
    """Endless full batches, shuffled anew each epoch of either domain.

    Args:
        pattern: glob of shards.
        image_size: S, pixels.
        batch_size: images of each domain in a batch.
        seed: same seed, same batches.
        pairing: see `DayNightRows`.
        augmentation: of AUGMENTATIONS.
        min_crop_area: of the part, share of the image.
        start_step: batches to skip, at no cost.
        worker_index: of this worker, from 0.
        num_workers: that share each step.

    Raises:
        FileNotFoundError: no shard matches.
        ValueError: see `DayNightRows`.
    """
    rows, change = DayNightRows(pattern, pairing), AUGMENTATIONS[augmentation]
    lengths = {domain: rows.length(domain) for domain in DOMAINS}
    shift = 0 if rows.is_paired else 1  # unpaired, the domains are shuffled apart
    orders = {domain: RecordOrder([length], seed + shift * number, length, worker_index, num_workers,
                                  batch_size)
              for number, (domain, length) in enumerate(lengths.items())}

    def take(step: int) -> tuple[np.ndarray, np.ndarray]:
        places, numbers = [], []
        for number, domain in enumerate(DOMAINS):
            stretch = orders[domain].take(step * batch_size, batch_size)
            random = generator(seed, step * num_workers + worker_index, 0, number)
            places.append(stretch.places)
            numbers.append(rows.choose(domain, stretch.numbers, random))
        return np.stack(places), np.stack(numbers)

    def decode(domain: str, places: tf.Tensor, encoded: tf.Tensor) -> tf.Tensor:
        if not change.crops:
            return _whole_images(encoded, image_size)
        mark = tf.constant(2 * seed + DOMAINS.index(domain), tf.int64)
        seeds = tf.stack([tf.fill([batch_size], mark), places], axis=1)
        return augment.random_crops(encoded, image_size, seeds, min_crop_area, change.change)

    steps = tf.data.Dataset.counter(start=start_step)
    return _batches(steps, rows, take, decode, batch_size)


def validation_batches(pattern: str, image_size: int, batch_size: int,
                       pairing: str = "none") -> tf.data.Dataset:
    """One pass over whole images in the order of the shards, in full batches.

    Domains of fewer images than `batch_size` make one batch. Arguments and errors are those of
    `training_batches`.
    """
    rows = DayNightRows(pattern, pairing)
    length = min(rows.length(domain) for domain in DOMAINS)
    batch_size = min(batch_size, length)

    def take(step: int) -> tuple[np.ndarray, np.ndarray]:
        places = np.arange(step * batch_size, (step + 1) * batch_size)
        return np.stack([places] * 2), np.stack([rows.choose(domain, places, None) for domain in DOMAINS])

    steps = tf.data.Dataset.range(length // batch_size)
    return _batches(steps, rows, take, lambda _, places, encoded: _whole_images(encoded, image_size),
                    batch_size)


def _whole_images(encoded: tf.Tensor, image_size: int) -> tf.Tensor:
    return tf.map_fn(lambda image: augment.resize_whole(image, image_size), encoded,
                     fn_output_signature=tf.TensorSpec([image_size, image_size, 3], tf.uint8))


def _batches(steps: tf.data.Dataset, rows: DayNightRows, take, decode, batch_size: int):
    """Batches of the records that `take(step)` names, decoded by `decode(domain, places, encoded)`."""
    reader = RecordReader(rows.files, rows.split.shards)

    def read(step: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        places, numbers = take(int(step))
        return places, np.stack([reader.read(each) for each in numbers])

    def to_batch(step: tf.Tensor) -> dict[str, tf.Tensor]:
        places, examples = tf.numpy_function(read, [step], (tf.int64, tf.string))
        places, examples = (tf.ensure_shape(value, [2, batch_size]) for value in (places, examples))
        batch = {}
        for number, domain in enumerate(DOMAINS):
            fields = parse_example(examples[number])
            batch[domain] = decode(domain, places[number], fields["encoded"])
            batch[f"{domain}_label"] = fields["label"]
        return batch

    options = tf.data.Options()
    options.deterministic = True
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    batches = steps.map(to_batch, num_parallel_calls=_READS_AHEAD)
    return batches.with_options(options).prefetch(tf.data.AUTOTUNE)
