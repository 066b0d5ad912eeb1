"""Exact search: the index against a plain numpy product and stable argsort.

    python -m tests.benchmarks.bench_search [--num_images=200000] [--dimension=512] [--num_queries=70]

Prints seconds for the whole ranking and for the first 100, and checks that both ways agree.
"""

from __future__ import annotations

import time

import numpy as np
import rich.console
import rich.table
from absl import app, flags

from delg.index import ExactIndex

_NUM_IMAGES = flags.DEFINE_integer("num_images", 200_000, "Index images.", lower_bound=100)
_DIMENSION = flags.DEFINE_integer("dimension", 512, "Of the descriptors.", lower_bound=1)
_NUM_QUERIES = flags.DEFINE_integer("num_queries", 70, "Queries, searched at once.", lower_bound=1)


def _unit(generator: np.random.Generator, count: int, dimension: int) -> np.ndarray:
    vectors = generator.standard_normal((count, dimension), np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _seconds(function, repeats: int = 3):
    best, result = float("inf"), None
    for _ in range(repeats):
        start = time.perf_counter()
        result = function()
        best = min(best, time.perf_counter() - start)
    return best, result


def main(_) -> None:
    generator = np.random.default_rng(0)
    images, queries = (_unit(generator, count, _DIMENSION.value)
                       for count in (_NUM_IMAGES.value, _NUM_QUERIES.value))
    index = ExactIndex(images, [str(row) for row in range(len(images))])
    table = rich.table.Table(title=f"{len(queries)} queries, {len(images)} images of {_DIMENSION.value}")
    for name in ("results", "numpy, s", "index, s", "times faster", "same"):
        table.add_column(name, justify="right")

    def plain(kept: int) -> np.ndarray:
        return np.argsort(-(queries @ images.T), axis=1, kind="stable")[:, :kept]

    for kept in (100, len(images)):
        slow, expected = _seconds(lambda kept=kept: plain(kept))
        fast, (rows, _) = _seconds(lambda kept=kept: index.search(queries, kept))
        same = np.mean(rows == expected)  # products in blocks may differ in the last bit
        table.add_row(str(kept), f"{slow:.2f}", f"{fast:.2f}", f"{slow / fast:.1f}", f"{same:.4%}")
    rich.console.Console().print(table)


if __name__ == "__main__":
    app.run(main)
