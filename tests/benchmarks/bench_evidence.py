"""What each kind of evidence costs: milliseconds of a query on one core, bytes of an image.

    OPENBLAS_NUM_THREADS=1 python -m tests.benchmarks.bench_evidence [--num_candidates=100] \\
        --query_features='build/real/features/query-*.h5' --index_features='build/real/features/index-*.h5'

Every query is compared with all images by global descriptors and by local features (binary ASMK), and the
first of their sum are compared with one another for neighbours, and verified; features are in memory.
With `--query_view_features` all but verification looks at views of the queries too.
Times are medians over the queries, of processor time, which other jobs on the machine move less than the
clock. Says what falls short: when all takes more than a second together.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Callable

import cv2
import faiss
import numpy as np
import rich.console
import rich.table
from absl import flags

from data_prep.stage import command_line
from delg.features.reader import FeatureReader
from delg.features.shards import LocalFeatures
from delg.geometry import pairs
from delg.index import building
from delg.scores.ranking import summed
from delg.search import neighbors
from delg.search.query_views import Queries, QueriesWithViews
from delg.settings.index import IndexConfig
from delg.settings.search import SearchConfig

_QUERY_FEATURES = flags.DEFINE_string(
    "query_features", None, "Glob or folder of feature shards.", required=True)
_INDEX_FEATURES = flags.DEFINE_string(
    "index_features", None, "Glob or folder of feature shards.", required=True)
_QUERY_VIEW_FEATURES = flags.DEFINE_string(
    "query_view_features", "", "Glob or folder of feature shards of views of the queries. Empty: none.")
_NUM_CANDIDATES = flags.DEFINE_integer("num_candidates", 100, "Results verified.", lower_bound=1)
_NUM_QUERIES = flags.DEFINE_integer("num_queries", 20, "Queries, at most.", lower_bound=1)
_MAX_SECONDS = flags.DEFINE_float("max_seconds", 1.0, "Most for a query by all evidence.")
_OF_IMAGES = ("descriptors", "residuals", "rows", "norms")  # files that grow with the images


def _bytes_of_an_image(folder: str, num_images: int) -> float:
    return sum(os.path.getsize(os.path.join(folder, name)) for name in os.listdir(folder)
               if name.startswith(_OF_IMAGES)) / num_images


def _timed(work: Callable, *arguments) -> tuple[float, object]:
    """Milliseconds of processor time, and what the work gives."""
    start = time.process_time()
    found = work(*arguments)
    return 1000 * (time.process_time() - start), found


def _verify_all(query: LocalFeatures, images: list[LocalFeatures], config: SearchConfig,
                size: tuple[int, int]) -> list[pairs.VerifiedPair]:
    return [pairs.verify_pair(query, image, config, size) for image in images]


def _measure(queries: FeatureReader, asked: Queries, images: FeatureReader,
             folder: str) -> dict[str, tuple[float, float]]:
    """Milliseconds of a query and bytes of an image, by evidence."""
    index, local_index = (building.build_index(_INDEX_FEATURES.value, os.path.join(folder, index_type),
                                               IndexConfig(index_type=index_type))
                          for index_type in ("exact", "binary_asmk"))
    stored = {image_id: images.local_features(images.row_of[image_id]) for image_id in index.ids}
    row_of = {image_id: row for row, image_id in enumerate(local_index.ids)}
    columns = np.array([row_of[image_id] for image_id in index.ids])
    config, rows = SearchConfig(), []
    for query in range(min(_NUM_QUERIES.value, len(queries))):
        local = queries.local_features(query)
        by_global, (ranks, cosines) = _timed(index.search, asked.global_descriptors[[query]], 0)
        by_local, similarities = _timed(local_index.similarities, [asked.local_features(query).descriptors])
        scores = summed(config, cosines[0], similarities[0, columns][ranks[0]])
        order = np.argsort(-scores)[:_NUM_CANDIDATES.value]
        by_neighbors, _ = _timed(
            neighbors.first_overlaps, scores[None, order], ranks[:, order], lambda some: summed(
                config, index.descriptors[some] @ index.descriptors[some].T,
                local_index.similarities_among(columns[some])))
        first = [stored[index.ids[row]] for row in ranks[0, order]]
        by_geometry, _ = _timed(_verify_all, local, first, config, queries.image_sizes[query])
        rows.append((by_global, by_local, by_neighbors, by_geometry))
    sizes = [_bytes_of_an_image(os.path.join(folder, name), len(index)) for name in ("exact", "binary_asmk")]
    descriptors = sum(features.descriptors.size * 2 + features.keypoints_yx.nbytes + 8 * len(features)
                      for features in stored.values())  # float16 in shards; scores and scales
    return dict(zip(("global", "asmk", "neighbors", "geometry"),
                    zip(np.median(rows, axis=0), [*sizes, 0, descriptors / len(index)])))


def main(_: list[str]) -> None:
    cv2.setNumThreads(1)
    faiss.omp_set_num_threads(1)
    with contextlib.ExitStack() as stack:
        queries, images = (stack.enter_context(FeatureReader(flag.value))
                           for flag in (_QUERY_FEATURES, _INDEX_FEATURES))
        asked = queries if not _QUERY_VIEW_FEATURES.value else QueriesWithViews(
            queries, stack.enter_context(FeatureReader(_QUERY_VIEW_FEATURES.value)))
        costs = _measure(queries, asked, images, stack.enter_context(tempfile.TemporaryDirectory()))
    table = rich.table.Table(title=f"{_NUM_CANDIDATES.value} candidates")
    for name in ("evidence", "ms / query", "bytes / image"):
        table.add_column(name, justify="left" if name == "evidence" else "right")
    for name, (milliseconds, num_bytes) in costs.items():
        table.add_row(name, f"{milliseconds:.1f}", f"{num_bytes:,.0f}")
    total = sum(milliseconds for milliseconds, _ in costs.values())
    table.add_row("all", f"{total:.1f}", f"{sum(num_bytes for _, num_bytes in costs.values()):,.0f}")
    rich.console.Console(width=100).print(table)
    if total > 1000 * _MAX_SECONDS.value:
        print(f"falls short: all evidence takes more than {_MAX_SECONDS.value} s")


if __name__ == "__main__":
    command_line.run(main)
