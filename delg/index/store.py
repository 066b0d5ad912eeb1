"""Descriptors that lie in several arrays, some rows of them removed, read as one array."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from data_prep.stage.lazy_module import LazyModule

faiss = LazyModule("faiss")


class DescriptorStore:
    """Rows of several arrays, mostly memory-mapped files, as one read-only float32 array [N, D].

    Slices and index arrays of rows give plain arrays; `np.asarray` loads everything.

    Args:
        segments: float32 or float16 arrays [n, D], one after the other.
        kept: int64, [N], increasing; places in the segments that count as rows. None: all.

    Attributes:
        shape: (N, D).
        segments: as given.
        kept: as given.
    """

    dtype = np.dtype(np.float32)
    ndim = 2

    def __init__(self, segments: Sequence[np.ndarray], kept: np.ndarray | None = None):
        self.segments, self.kept = list(segments), kept
        self._starts = np.cumsum([0, *map(len, self.segments)])
        self.num_places = int(self._starts[-1])
        self.shape = (self.num_places if kept is None else len(kept), self.segments[0].shape[1])

    @classmethod
    def of(cls, descriptors: np.ndarray | DescriptorStore) -> DescriptorStore:
        """One array [N, D] as a store; a store as it is."""
        return descriptors if isinstance(descriptors, cls) else cls([descriptors])

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        return np.asarray(self[:], dtype)

    def __getitem__(self, rows) -> np.ndarray:
        if isinstance(rows, slice):
            first, last, step = rows.indices(len(self))
            if step == 1 and first < last:
                view = self._view(first, last)
                if view is not None:
                    return view
            rows = np.arange(first, last, step)
        rows = np.asarray(rows)
        if rows.dtype == bool:
            rows = np.flatnonzero(rows)
        if rows.size and not (-len(self) <= rows.min() and rows.max() < len(self)):
            raise IndexError(f"Rows must be in [0, {len(self)}). Received: {rows.min()} to {rows.max()}.")
        rows = np.where(rows < 0, rows + len(self), rows).astype(np.int64)
        places = self._places(rows)
        result = np.empty((*rows.shape, self.shape[1]), np.float32)
        for start, segment in zip(self._starts, self.segments):
            inside = (places >= start) & (places < start + len(segment))
            result[inside] = segment[places[inside] - start]
        return result

    def _places(self, rows: np.ndarray) -> np.ndarray:
        return rows if self.kept is None else self.kept[rows]

    def _view(self, first: int, last: int) -> np.ndarray | None:
        """Rows without copying (float32), or converted at once, where they lie together in one segment."""
        start, end = (int(self._places(np.int64(row))) for row in (first, last - 1))
        number = int(np.searchsorted(self._starts, start, side="right")) - 1
        if end - start != last - 1 - first or end >= self._starts[number + 1]:
            return None
        begin = int(self._starts[number])
        return np.asarray(self.segments[number][start - begin:end + 1 - begin], np.float32)

    def spans(self, num_rows: int) -> Iterator[tuple[int, int]]:
        """(first, last + 1) of at most `num_rows` rows each, over all rows; cut where segments are cut."""
        ends = self._starts[1:] if self.kept is None else np.searchsorted(self.kept, self._starts[1:])
        first = 0
        for end in map(int, ends):
            while first < end:
                last = min(end, first + num_rows)
                yield first, last
                first = last

    def blocks(self, num_rows: int) -> Iterator[tuple[int, np.ndarray]]:
        """(first row, float32 [at most `num_rows`, D]) of each of the spans."""
        for first, last in self.spans(num_rows):
            yield first, self[first:last]

    def inner_products(self, queries: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Products of every query with some rows of its own.

        Args:
            queries: float32, [Q, D], C-contiguous.
            rows: int64, [Q, C]; below 0: none.

        Returns:
            float32, [Q, C]; of no meaning where there is no row.

        Raises:
            IndexError: if a row is N or above.
        """
        if rows.size and rows.max() >= len(self):
            raise IndexError(f"Rows must be below {len(self)}. Received: {rows.max()}.")
        places = np.where(rows < 0, -1, self._places(np.maximum(rows, 0)))
        products = np.zeros(rows.shape, np.float32)
        for start, segment in zip(self._starts, self.segments):
            inside = (places >= start) & (places < start + len(segment))
            if not inside.any():
                continue
            if segment.dtype == np.float32 and segment.flags.c_contiguous:
                local = np.where(inside, places - start, -1).astype(np.int64)
                some = np.empty(rows.shape, np.float32)
                faiss.fvec_inner_products_by_idx(
                    faiss.swig_ptr(some), faiss.swig_ptr(queries), faiss.swig_ptr(segment),
                    faiss.swig_ptr(local), self.shape[1], *rows.shape)
                products = np.where(inside, some, products)
            else:
                for query, there in enumerate(inside):
                    chosen = np.asarray(segment[places[query, there] - start], np.float32)
                    products[query, there] = chosen @ queries[query]
        return products
