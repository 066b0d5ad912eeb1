"""Types of stored local descriptors: bytes, mAP after verification and time, on stored features.

    python -m tests.benchmarks.bench_local_dtypes --query_features='build/real/features/query-*.h5' \\
        --index_features='build/real/features/index-*.h5' --ground_truth=build/real/eval_shards --expand_query

The features, best float32 or float16, are rewritten to each type and searched with the settings of
SearchConfig, each with a flag of its name. Prints a row per type: the size of an image's local features, mAP
with its 95 % bootstrap interval, the change against the first row on the same queries, the least number of
inliers, and the seconds of the whole search in one process, reading included. In the last row the index alone
is binary.
"""

from __future__ import annotations

import dataclasses
import os
import tempfile
import time

import rich.console
import rich.table
from absl import flags

from data_prep.stage import command_line, config_flags
from delg.features import local_codes, rewriting
from delg.features.reader import FeatureReader
from delg.index import building
from delg.scores import evaluation
from delg.scores.ground_truth import load_ground_truth
from delg.search import retrieval
from delg.settings.extraction import LOCAL_DTYPES
from delg.settings.search import SearchConfig
from tests.benchmarks.retrieval_scores import mean_and_interval

_QUERY_FEATURES = flags.DEFINE_string(
    "query_features", "build/demo/features/query-*.h5", "Glob or folder of feature shards.")
_INDEX_FEATURES = flags.DEFINE_string(
    "index_features", "build/demo/features/index-*.h5", "Glob or folder of feature shards.")
_GROUND_TRUTH = flags.DEFINE_string(
    "ground_truth", "build/demo/eval_shards", "A .mat, .pkl, .json or dataset.json.")
_search_config = config_flags.define_flags(SearchConfig)


def _local_bytes(features: str) -> float:
    """Bytes of the local features of an image, on average: descriptors, keypoints, scores and scales."""
    with FeatureReader(features) as reader:
        dtype = local_codes.stored_dtype(reader.config["local_dtype"])
        columns = local_codes.num_columns(reader.local_features(0).descriptors.shape[1], dtype)
        return reader.num_local_features.mean() * (columns * dtype.itemsize + 4 * 4)


def _rewritten(folder: str, local_dtype: str) -> tuple[str, str]:
    """Folders of the queries and of the index in another type."""
    folders = os.path.join(folder, local_dtype, "query"), os.path.join(folder, local_dtype, "index")
    for features, output_dir in zip((_QUERY_FEATURES.value, _INDEX_FEATURES.value), folders):
        rewriting.rewrite_features(features, output_dir, local_dtype)
    return folders


def main(_: list[str]) -> None:
    config = dataclasses.replace(_search_config(), num_neighbors=0)
    truth = load_ground_truth(_GROUND_TRUTH.value)
    table = rich.table.Table(title=f"{len(truth.query_ids)} queries, {len(truth.index_ids)} images and "
                                   "distractors; mAP, percent")
    for name in ("stored as", "KB / image", "medium", "change", "hard", "change", "floor", "seconds"):
        table.add_column(name, justify="left" if name == "stored as" else "right")
    with tempfile.TemporaryDirectory() as folder:
        index_dir, ranking_path = os.path.join(folder, "index_dir"), os.path.join(folder, "ranking.h5")
        building.build_index(_INDEX_FEATURES.value, index_dir)
        features = {local_dtype: _rewritten(folder, local_dtype) for local_dtype in LOCAL_DTYPES}
        rows = {**features, "binary, queries float16": (features["float16"][0], features["binary"][1])}
        first = None
        for name, (queries, images) in rows.items():
            start = time.perf_counter()
            ranking = retrieval.search(queries, images, index_dir, ranking_path, config, num_workers=1)
            seconds = time.perf_counter() - start
            scores = evaluation.score_ranks(ranking, truth, ranking.ranks, ranking_path, _GROUND_TRUTH.value)
            found = {protocol: scores[protocol].average_precision for protocol in ("medium", "hard")}
            first = first or found
            table.add_row(name, f"{_local_bytes(images) / 1000:.1f}", *(
                cell for protocol, values in found.items() for cell in (
                    mean_and_interval(values), mean_and_interval(values - first[protocol], "+"))),
                str(ranking.search_config.min_inliers), f"{seconds:.1f}")
    rich.console.Console(width=150).print(table)


if __name__ == "__main__":
    command_line.run(main)
