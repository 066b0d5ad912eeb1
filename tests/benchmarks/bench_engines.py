"""Types of index side by side: building, disk, memory, queries a second, and what they miss.

    python -m tests.benchmarks.bench_engines [--num_images=100000] [--index_types=exact,binary,ivf,milvus] \\
        [--work_dir=DIR] [--milvus_index=auto]

Images are those of `made_features`: 2048 dimensions and 64 local features. Every index is built of feature
shards and searched in processes of their own: 100 queries at once, then some one by one, the first 100
results of each. `exact` is FAISS's flat scan; ratios are to it. Recall is of its first 100. asmk and
binary_asmk rank by local features, so that nothing is theirs to miss. Milvus is the embedded one. Prints a
row of a Markdown table for each type as soon as it is done. 3 GB of disk and 1 GB a type for 100,000 images.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time

import numpy as np
from absl import app, flags

from delg.features.reader import FeatureReader
from delg.index import building
from delg.settings.index import IndexConfig
from delg.settings.kinds import INDEX_KINDS, LOCAL_FEATURES
from tests.benchmarks import made_features
from tests.benchmarks.memory import measured

_NUM_IMAGES = flags.DEFINE_integer("num_images", 100_000, "Index images.", lower_bound=1000)
_NUM_QUERIES = flags.DEFINE_integer("num_queries", 100, "Queries.", lower_bound=1)
_NUM_FEATURES = flags.DEFINE_integer("num_features", 64, "Local features of an image.", lower_bound=1)
_INDEX_TYPES = flags.DEFINE_list("index_types", list(INDEX_KINDS), f"Some of {', '.join(INDEX_KINDS)}.")
_MILVUS_INDEX = flags.DEFINE_string("milvus_index", IndexConfig.milvus_index, "Of the index inside Milvus.")
_NUM_CODEWORDS = flags.DEFINE_integer("num_codewords", IndexConfig.num_codewords, "Of asmk and binary_asmk.")
_NUM_ROUNDS = flags.DEFINE_integer("num_rounds", 3, "Timed rounds.", lower_bound=1)
_WORK_DIR = flags.DEFINE_string("work_dir", None, "Folder for the files, which stay. None: a temporary one.")
_KEPT = 100
_ONE_BY_ONE = 20  # queries asked alone


def _build(folder: str, config: IndexConfig) -> None:
    building.build_index(os.path.join(folder, "images-*.h5"), os.path.join(folder, config.index_type), config)


def _search(folder: str, index_type: str, rounds: int) -> tuple[np.ndarray, float, float]:
    """Rows of the first results, seconds of all queries at once and of one, medians of rounds."""
    index = building.load_index(os.path.join(folder, index_type))
    with FeatureReader(os.path.join(folder, "queries.h5")) as queries:
        asked = ([queries.local_features(row).descriptors for row in range(len(queries))]
                 if index.ranked_by == LOCAL_FEATURES else queries.global_descriptors)
    rows = index.search(asked, _KEPT)[0]
    alone = min(_ONE_BY_ONE, len(asked))
    at_once = [_seconds(lambda: index.search(asked, _KEPT)) for _ in range(rounds)]
    one = [_seconds(lambda: [index.search(asked[row:row + 1], _KEPT) for row in range(alone)]) / alone
           for _ in range(rounds)]
    return rows, float(np.median(at_once)), float(np.median(one))


def _seconds(function) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def _gigabytes(folder: str) -> float:
    return sum(os.path.getsize(os.path.join(place, name))
               for place, _, names in os.walk(folder) for name in names) / 1e9


def main(_) -> None:
    folder = _WORK_DIR.value or tempfile.mkdtemp()
    os.makedirs(folder, exist_ok=True)
    try:
        measured(made_features.write_features, folder, _NUM_IMAGES.value, _NUM_QUERIES.value,
                 _NUM_FEATURES.value)
        print(f"{_NUM_QUERIES.value} queries, {_NUM_IMAGES.value} images, first {_KEPT}\n")
        columns = ("index", "build, s", "build, GB own + mapped", "disk, GB", "search, GB own + mapped",
                   "queries/s", "/ exact", "ms alone", f"recall@{_KEPT}")
        print(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|", flush=True)
        truth = exact = None
        for index_type in dict.fromkeys(["exact", *_INDEX_TYPES.value]):
            shutil.rmtree(os.path.join(folder, index_type), ignore_errors=True)
            config = IndexConfig(index_type=index_type, milvus_index=_MILVUS_INDEX.value,
                                 num_codewords=_NUM_CODEWORDS.value)
            built = measured(_build, folder, config)
            found = measured(_search, folder, index_type, _NUM_ROUNDS.value)
            rows, at_once, alone = found.result
            rate = _NUM_QUERIES.value / at_once
            if truth is None:
                truth, exact = rows, rate
            recall = np.mean([np.isin(some, true).mean() for some, true in zip(rows, truth)])
            misses = f"{recall:.4f}" if INDEX_KINDS[index_type].ranked_by != LOCAL_FEATURES else ""
            cells = (index_type, f"{built.seconds:.0f}", f"{built.own:.2f} + {built.mapped:.2f}",
                     f"{_gigabytes(os.path.join(folder, index_type)):.2f}",
                     f"{found.own:.2f} + {found.mapped:.2f}", f"{rate:.0f}", f"{rate / exact:.2f}",
                     f"{1000 * alone:.0f}", misses)
            print(f"| {' | '.join(cells)} |", flush=True)
    finally:
        if not _WORK_DIR.value:
            shutil.rmtree(folder)


if __name__ == "__main__":
    app.run(main)
