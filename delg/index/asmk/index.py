"""An index of local features: images ranked by their aggregated match kernel, through an inverted file.

Local features are read image by image; what was aggregated is written whenever it fills a segment.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from absl import logging

from delg.index.admission import Admission, each_shard, settings_without
from delg.index.asmk import kernel
from delg.index.asmk.inverted_file import InvertedFile
from delg.index.exact import one_thread_each, rank_by_similarity
from delg.index.files import IndexFiles, IndexWriter
from delg.settings.index import IndexConfig, read_config

_SEGMENT_BYTES = 2**30  # of residuals or codes collected before they are written
_BATCH_IMAGES = 64  # whose local descriptors are in memory at once
_MAX_SIMILARITIES = 2**26  # held at once, 256 MiB of float32
_OTHER_SETTINGS = ("global_scales", "whitening", "local_dtype", "recoded_from",
                   "max_bad_fraction")  # not of local descriptors


class Quantizer:
    """Turns the local descriptors of an image into the entries of an inverted file.

    Args:
        codebook: float32, [K, d].
        config: of the index.
    """

    def __init__(self, codebook: np.ndarray, config: IndexConfig):
        self.codebook, self._config = codebook, config
        self._is_binary = config.index_type == "binary_asmk"
        num_bits = codebook.shape[1] if self._is_binary else 0
        self.kernel = kernel.MatchKernel(config.asmk_alpha, config.asmk_threshold, num_bits)
        self.width = kernel.sign_codes(codebook[:1]).shape[1] if self._is_binary else codebook.shape[1]
        self.dtype = "uint8" if self._is_binary else config.descriptor_dtype

    def entries(self, descriptors: np.ndarray, num_assignments: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Codewords int32 [W] and residuals [W, d] or codes uint8 [W, B] of descriptors float32 [n, d]."""
        words, residuals = kernel.aggregate(descriptors, self.codebook, num_assignments)
        return words, kernel.sign_codes(residuals) if self._is_binary else residuals.astype(self.dtype)

    def of_query(self, descriptors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The same of a query, whose descriptors belong to several codewords each."""
        return self.entries(descriptors, self._config.num_assignments)


class AsmkIndex:
    """Images ranked by the similarity of their local descriptors.

    Args:
        ids: N image ids.
        fingerprint: of the model that made the features.
        quantizer: of descriptors.
        weights: float32, [K], of the codewords.
        segments: inverted files of the images, in their order.
        norms: float32, [M]; self-similarities of all images of the segments.
        kept: int64, [N], increasing; which of them count. None: all.
    """

    def __init__(self, ids: list[str], fingerprint: str, quantizer: Quantizer, weights: np.ndarray,
                 segments: Sequence[InvertedFile], norms: np.ndarray, kept: np.ndarray | None = None):
        self.ids, self.fingerprint, self.kept = list(ids), fingerprint, kept
        self.quantizer, self.weights, self._segments, self._norms = quantizer, weights, segments, norms

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def dimension(self) -> int:
        return self.quantizer.codebook.shape[1]

    @property
    def num_places(self) -> int:
        """Images in the segments, those that were removed too."""
        return len(self._norms)

    def search(self, descriptors: Iterable[np.ndarray],
               num_neighbors: int) -> tuple[np.ndarray, np.ndarray]:
        """The most similar index images of every query.

        Args:
            descriptors: local descriptors float32 [n, d] of each of Q queries; read as they are needed.
            num_neighbors: results per query; 0, or more than N: all N.

        Returns:
            rows: int32, [Q, K], best first; the lower row first among equals.
            similarities: float32, [Q, K]; 1 for an image of the same local descriptors as the query, if these
                belong to one codeword each; 0 where no codeword is shared.

        Raises:
            ValueError: if the dimensions differ.
        """
        wanted = min(num_neighbors, len(self)) or len(self)
        rows, similarities = [np.empty((0, wanted), np.int32)], [np.empty((0, wanted), np.float32)]
        remaining = iter(descriptors)
        at_once = min(_BATCH_IMAGES, max(1, _MAX_SIMILARITIES // self.num_places))
        while some := list(itertools.islice(remaining, at_once)):
            scores = self._scores(some)
            found = np.array([rank_by_similarity(of_query, wanted) for of_query in scores])
            rows.append(found)
            similarities.append(np.take_along_axis(scores, found, axis=1))
        return np.concatenate(rows), np.concatenate(similarities)

    def _scores(self, descriptors: list[np.ndarray]) -> np.ndarray:
        """Similarities float32 [Q, N] of some queries to all images."""
        for of_query in descriptors:
            if of_query.ndim != 2 or len(of_query) and of_query.shape[1] != self.dimension:
                raise ValueError(f"Local descriptors of a query must be [n, {self.dimension}] as those of "
                                 f"the index are. Received: shape {of_query.shape}.")
        with one_thread_each(max(map(len, descriptors))) as threads:
            entries = list(threads.map(self.quantizer.of_query, descriptors))
        queries = InvertedFile.of_images(entries, len(self.weights))
        scores = np.zeros((len(descriptors), self.num_places), np.float32)
        start = 0
        for segment in self._segments:
            segment.add_similarities(queries, self.quantizer.kernel, self.weights,
                                     scores[:, start:start + segment.num_images])
            start += segment.num_images
        scales = np.sqrt(np.outer(queries.sum_weights(self.weights), self._norms))
        np.divide(scores, scales, out=scores, where=scales > 0)
        return scores if self.kept is None else scores[:, self.kept]


class _SegmentWriter:
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
                    waiting.extend(threads.map(self._quantizer.entries, local))
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


def build(features: str, index_dir: str, config: IndexConfig) -> None:
    """Writes the index of the images in the feature shards of a folder or glob. Raises as `build_index`."""
    with IndexWriter(index_dir) as writer:
        sample, fingerprint = training_descriptors(config.codebook_features or features,
                                                   config.num_training_descriptors, config.seed)
        config = config.with_codewords(len(sample))
        codebook = kernel.train_codebook(sample, config.num_codewords, config.seed)
        logging.info("%d codewords learnt from %d descriptors.", len(codebook), len(sample))
        del sample
        admission = Admission(facts={"dimension": codebook.shape[1], "fingerprint": fingerprint})
        segments = _SegmentWriter(writer, Quantizer(codebook, config))
        segments.add_images(features, admission)
        weights = np.ones(len(codebook), np.float32)
        if config.asmk_idf:
            num_images = sum(np.diff(segment.offsets) for segment in segments.files)
            weights = np.log(len(admission.ids) / np.maximum(1, num_images)).astype(np.float32) ** 2
        segments.write_norms(weights)
        arrays = {**segments.arrays, "codebook": writer.write_array("codebook", codebook),
                  "weights": writer.write_array("weights", weights), "ids": writer.write_ids(admission.ids)}
        writer.finish({"type": config.index_type, "num_images": len(admission.ids), **admission.facts,
                       "config": vars(config), "segments": segments.names, "arrays": arrays})


def append(features: str, writer: IndexWriter, index: AsmkIndex, admission: Admission,
           num_segments: int) -> tuple[list[str], dict[str, str]]:
    """Writes the images of feature shards as more segments of an index that has some.

    Returns:
        Names of the segments, and of their other arrays by stem.
    """
    segments = _SegmentWriter(writer, index.quantizer, num_segments)
    segments.add_images(features, admission)
    segments.write_norms(index.weights)
    return segments.names, segments.arrays


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


def load(description: dict[str, Any], files: IndexFiles, check: bool) -> AsmkIndex:
    """The index that a description names, its entries memory-mapped. Raises as `load_index`."""
    codebook, weights = files.read_array("codebook"), files.read_array("weights")
    quantizer = Quantizer(codebook, read_config(description))
    segments, norms = [], []
    for place, name in enumerate(description["segments"]):
        offsets, of_images = (files.read_array(f"{stem}-{place}") for stem in ("offsets", "norms"))
        rows = files.map_array(description["arrays"][f"rows-{place}"], ("int32",), check=check)
        residuals = files.map_array(name, (quantizer.dtype,), quantizer.width, check)
        if len(offsets) != len(codebook) + 1 or not offsets[-1] == len(rows) == len(residuals):
            raise ValueError(f"Files of a segment must agree: build the index again. Received: {name} with "
                             f"{len(residuals)} entries, {len(rows)} rows, offsets up to {offsets[-1]} of "
                             f"{len(offsets) - 1} codewords.")
        segments.append(InvertedFile(offsets, rows, residuals, len(of_images)))
        norms.append(of_images)
    norms = np.concatenate(norms)
    ids, kept = files.read_images(len(norms))
    return AsmkIndex(ids, description["fingerprint"], quantizer, weights, segments, norms, kept)
