"""Images ranked by the aggregated match kernel of their local descriptors, through an inverted file."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

import numpy as np

from delg.index.asmk.inverted_file import InvertedFile
from delg.index.asmk.quantizer import Quantizer
from delg.index.exact import one_thread_each, rank_by_similarity
from delg.settings.kinds import LOCAL_FEATURES

_BATCH_QUERIES = 64  # whose similarities are in memory at once
_MAX_SIMILARITIES = 2**26  # held at once, 256 MiB of float32


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

    ranked_by = LOCAL_FEATURES

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
        at_once = min(_BATCH_QUERIES, max(1, _MAX_SIMILARITIES // self.num_places))
        while some := list(itertools.islice(remaining, at_once)):
            scores = self.similarities(some)
            found = np.array([rank_by_similarity(of_query, wanted) for of_query in scores])
            rows.append(found)
            similarities.append(np.take_along_axis(scores, found, axis=1))
        return np.concatenate(rows), np.concatenate(similarities)

    def similarities_among(self, rows: np.ndarray) -> np.ndarray:
        """Similarities of n images of the index to one another, as with `of_images`: float32 [n, n]."""
        places = rows if self.kept is None else self.kept[rows]
        ends = np.cumsum([segment.num_images for segment in self._segments])
        parts = []
        for segment, end in zip(self._segments, ends):
            position_of = np.full(segment.num_images, -1, np.int32)
            is_here = (places >= end - segment.num_images) & (places < end)
            position_of[places[is_here] - (end - segment.num_images)] = np.flatnonzero(is_here)
            parts.append(segment.entries_of(position_of))
        words, positions, residuals = (np.concatenate(arrays) for arrays in zip(*parts))
        images = InvertedFile.of_entries(words, positions, residuals, len(rows), len(self.weights))
        scores = np.zeros((len(rows), len(rows)), np.float32)
        images.add_similarities(images, self.quantizer.kernel, self.weights, scores)
        norms = self._norms[places]
        scales = np.sqrt(np.outer(norms, norms))
        return np.divide(scores, scales, out=scores, where=scales > 0)

    def similarities(self, descriptors: Sequence[np.ndarray], of_images: bool = False) -> np.ndarray:
        """Similarities of some queries to all images: float32 [Q, N], as of `search`.

        Args:
            descriptors: float32 [n, d] of each of Q queries.
            of_images: whether each belongs to one codeword, as in the index: an image is then 1 like itself.
        """
        aggregate = self.quantizer.aggregate_image if of_images else self.quantizer.aggregate_query
        for of_query in descriptors:
            if of_query.ndim != 2 or len(of_query) and of_query.shape[1] != self.dimension:
                raise ValueError(f"Local descriptors of a query must be [n, {self.dimension}] as those of "
                                 f"the index are. Received: shape {of_query.shape}.")
        with one_thread_each(max(map(len, descriptors))) as threads:
            entries = list(threads.map(aggregate, descriptors))
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
