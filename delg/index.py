"""Nearest global descriptors, exactly: a blocked matrix product and a stable choice of the best."""

from __future__ import annotations

import json
import os

import numpy as np

from data_prep import atomic_file
from delg.features_io import FeatureReader

INDEX_TYPES = ("exact",)
_BLOCK_ROWS = 16_384  # index rows per matrix product
_MAX_SIMILARITIES = 2**26  # held at once, 256 MiB of float32
_LOW_HALF = np.uint64(0xFFFFFFFF)


def _sort_keys(similarities: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """uint64 keys that ascend as similarity descends, then as the row ascends.

    The bits of a float32 order like an integer once negative numbers are turned over; the row in the lower
    half breaks ties and comes out again after the sort. Sorting integers is several times faster than a
    stable argsort.
    """
    bits = (similarities + np.float32(0)).view(np.uint32)  # -0.0 becomes 0.0, its equal
    ascending = np.where(bits >> 31, ~bits, bits | np.uint32(0x80000000))
    return (~ascending).astype(np.uint64) << np.uint64(32) | rows.astype(np.uint64)


def rank_by_similarity(similarities: np.ndarray, num_neighbors: int) -> np.ndarray:
    """Rows of the largest similarities, best first; the lower row first among equals.

    Args:
        similarities: float32, [N].
        num_neighbors: K, at most N.

    Returns:
        int32, [K].
    """
    rows = np.arange(similarities.size)
    if num_neighbors < similarities.size:
        least = np.partition(similarities, similarities.size - num_neighbors)[-num_neighbors]
        rows = np.flatnonzero(similarities >= least)  # more than K only where the last place is tied
    keys = np.sort(_sort_keys(similarities[rows], rows))[:num_neighbors]
    return (keys & _LOW_HALF).astype(np.int32)


class ExactIndex:
    """All index descriptors, searched by brute force; the answer is the true one.

    Args:
        descriptors: float32, [N, D], unit norm; may be memory-mapped.
        ids: N image ids.
        fingerprint: of the model that made the descriptors.
    """

    def __init__(self, descriptors: np.ndarray, ids: list[str], fingerprint: str = ""):
        if descriptors.ndim != 2 or len(descriptors) != len(ids):
            raise ValueError("`descriptors` must be [N, D] with one row per id. "
                             f"Received: shape {descriptors.shape}, {len(ids)} ids.")
        self.descriptors, self.ids, self.fingerprint = descriptors, list(ids), fingerprint

    def __len__(self) -> int:
        return len(self.ids)

    def search(self, queries: np.ndarray, num_neighbors: int) -> tuple[np.ndarray, np.ndarray]:
        """The most similar index images of every query.

        Args:
            queries: float32, [Q, D], unit norm.
            num_neighbors: results per query; 0, or more than N: all N.

        Returns:
            rows: int32, [Q, K], best first; the lower row first among equals.
            similarities: float32, [Q, K]; cosines in [-1, 1].

        Raises:
            ValueError: if the dimensions differ.
        """
        queries = np.asarray(queries, np.float32)
        size, dimension = self.descriptors.shape
        if queries.ndim != 2 or queries.shape[1] != dimension:
            raise ValueError(f"`queries` must be [Q, {dimension}] as the index descriptors are. "
                             f"Received: shape {queries.shape}.")
        kept = min(num_neighbors, size) or size
        rows = np.empty((len(queries), kept), np.int32)
        similarities = np.empty((len(queries), kept), np.float32)
        step = max(1, _MAX_SIMILARITIES // max(1, size))
        for start in range(0, len(queries), step):
            some = queries[start:start + step]
            products = np.empty((len(some), size), np.float32)
            for first in range(0, size, _BLOCK_ROWS):
                block = np.asarray(self.descriptors[first:first + _BLOCK_ROWS], np.float32)
                np.matmul(some, block.T, out=products[:, first:first + len(block)])
            for i, row in enumerate(products, start):
                rows[i] = rank_by_similarity(row, kept)
                similarities[i] = row[rows[i]]
        return rows, similarities


def save_index(index: ExactIndex, index_dir: str) -> None:
    """Writes `descriptors.npy`, `ids.json` and, last, `index.json`: without it a folder is unfinished."""
    os.makedirs(index_dir, exist_ok=True)
    header = {"type": "exact", "dimension": int(index.descriptors.shape[1]), "num_images": len(index),
              "fingerprint": index.fingerprint}
    stale = os.path.join(index_dir, "index.json")
    if os.path.exists(stale):
        os.remove(stale)
    with atomic_file.replacing(os.path.join(index_dir, "descriptors.npy")) as path, open(path, "wb") as file:
        np.save(file, np.asarray(index.descriptors, np.float32))
    atomic_file.write_json(os.path.join(index_dir, "ids.json"), index.ids)
    atomic_file.write_json(stale, header)


def build_index(features: str, index_dir: str) -> ExactIndex:
    """Writes the index of the images in the feature shards of a folder or glob, and returns it."""
    with FeatureReader(features) as images:
        index = ExactIndex(images.global_descriptors, images.ids, images.config.get("fingerprint", ""))
    save_index(index, index_dir)
    return index


def load_index(index_dir: str) -> ExactIndex:
    """The index of a folder, its descriptors memory-mapped.

    Raises:
        FileNotFoundError: if the folder holds no finished index.
        ValueError: if its files contradict one another.
    """
    header_path = os.path.join(index_dir, "index.json")
    if not os.path.exists(header_path):
        raise FileNotFoundError(f"`index_dir` must hold an index written by delg.build_index. "
                                f"Received: {index_dir!r}, which has no index.json.")
    with open(header_path, encoding="utf-8") as file:
        header = json.load(file)
    with open(os.path.join(index_dir, "ids.json"), encoding="utf-8") as file:
        ids = json.load(file)
    descriptors = np.load(os.path.join(index_dir, "descriptors.npy"), mmap_mode="r", allow_pickle=False)
    expected = (header["num_images"], header["dimension"])
    if header["type"] not in INDEX_TYPES or descriptors.shape != expected or len(ids) != expected[0]:
        raise ValueError(f"{index_dir}: index.json promises type exact and shape {expected}. Received: type "
                         f"{header['type']}, descriptors {descriptors.shape}, {len(ids)} ids.")
    return ExactIndex(descriptors, ids, header["fingerprint"])
