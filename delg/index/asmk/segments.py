"""Segments of an index of local features: images are aggregated one by one, and written when they fill one.

Local features are read image by image, so memory stays bounded.
"""

from __future__ import annotations

import itertools

import numpy as np
from absl import logging

from delg.index.admission import Admission, each_shard, settings_without
from delg.index.asmk.inverted_file import InvertedFile
from delg.index.asmk.quantizer import Quantizer
from delg.index.exact import one_thread_each
from delg.index.files import IndexWriter

_SEGMENT_BYTES = 2**30  # of residuals or codes collected before they are written
_BATCH_IMAGES = 256  # whose local descriptors are in memory at once
_IMAGES_AT_ONCE = 32  # whose codewords are found together
_OTHER_SETTINGS = ("global_scales", "scale_power", "whitening", "local_dtype", "recoded_from",
                   "max_bad_fraction")  # not of local descriptors


class SegmentWriter:
    """Writes the segments of an index, each when it is full.

    Args:
        writer: of the index.
        quantizer: of descriptors.
        first_place: number of segments the index has.

    Attributes:
        names: of the files of residuals.
        arrays: names of the other files by stem and segment.
        files: the segments, memory-mapped.
    """

    def __init__(self, writer: IndexWriter, quantizer: Quantizer, first_place: int = 0):
        self._writer, self._quantizer, self._first_place = writer, quantizer, first_place
        self.names: list[str] = []
        self.arrays: dict[str, str] = {}
        self.files: list[InvertedFile] = []

    def add_images(self, features: str, admission: Admission) -> None:
        """Aggregates the images of feature shards. Raises as `build_index`."""
        waiting, num_bytes = [], 0
        for images in each_shard(features):
            settings = settings_without(images.config, _OTHER_SETTINGS)
            for first in range(0, len(images), _BATCH_IMAGES):
                rows = range(first, min(first + _BATCH_IMAGES, len(images)))
                local = [images.local_features(row).descriptors for row in rows]
                admission.admit([images.ids[row] for row in rows], dimension=local[0].shape[1],
                                fingerprint=images.config.get("fingerprint", ""), features=settings)
                with one_thread_each(max(map(len, local))) as threads:
                    parts = [local[start:start + _IMAGES_AT_ONCE]
                             for start in range(0, len(local), _IMAGES_AT_ONCE)]
                    waiting.extend(itertools.chain.from_iterable(
                        threads.map(self._quantizer.aggregate_images, parts)))
                num_bytes += sum(residuals.nbytes for _, residuals in waiting[-len(rows):])
                if num_bytes >= _SEGMENT_BYTES:
                    self._write(waiting)
                    waiting, num_bytes = [], 0
            logging.info("%d images aggregated.", len(admission.ids))
        if waiting:
            self._write(waiting)

    def _write(self, images: list[tuple[np.ndarray, np.ndarray]]) -> None:
        whole = InvertedFile.of_images(images, len(self._quantizer.codebook))
        names = self._writer.write_segment(residuals=whole.residuals, rows=whole.rows, offsets=whole.offsets)
        mapped = {stem: np.load(self._writer.path(name), mmap_mode="r", allow_pickle=False)
                  for stem, name in names.items()}
        self.files.append(InvertedFile(**mapped, num_images=len(images)))
        place = self._first_place + len(self.names)
        self.names.append(names.pop("residuals"))
        self.arrays.update({f"{stem}-{place}": name for stem, name in names.items()})

    def write_norms(self, weights: np.ndarray) -> None:
        """Writes the images' self-similarities under float32 [K] weights of codewords."""
        for place, segment in enumerate(self.files, self._first_place):
            names = self._writer.write_segment(norms=segment.sum_weights(weights))
            self.arrays[f"norms-{place}"] = names["norms"]


def training_descriptors(features: str, count: int, seed: int) -> tuple[np.ndarray, str]:
    """Local descriptors sampled evenly from all of some feature shards.

    Args:
        features: folder or glob of feature shards.
        count: descriptors at most.
        seed: of the sample.

    Returns:
        descriptors: float32, [n, d], in the order of the shards.
        fingerprint: of the model that made them.

    Raises:
        FileNotFoundError: if there are no shards.
        ValueError: if they hold no local features, or are of several models.
    """
    counts, fingerprints = [], set()
    for images in each_shard(features):
        counts.append(images.num_local_features)
        fingerprints.add(images.config.get("fingerprint", ""))
    if len(fingerprints) > 1:
        raise ValueError("Features to learn codewords from must be of one model. "
                         f"Received: models {', '.join(sorted(fingerprints))} in {features!r}.")
    starts = np.concatenate([[0], np.cumsum(np.concatenate(counts))])
    if not starts[-1]:
        raise ValueError("Features to learn codewords from must have local features. "
                         f"Received: none in {features!r}.")
    generator = np.random.default_rng(seed)
    chosen = np.sort(generator.choice(starts[-1], min(count, starts[-1]), replace=False, shuffle=False))
    bounds = np.searchsorted(chosen, starts)
    sample = None
    image = 0
    for images in each_shard(features):
        for row in range(len(images)):
            first, last = bounds[image:image + 2]
            if first < last:
                local = images.local_features(row).descriptors
                if sample is None:
                    sample = np.empty((len(chosen), local.shape[1]), np.float32)
                sample[first:last] = local[chosen[first:last] - starts[image]]
            image += 1
    return sample, fingerprints.pop()
