"""Every re-ranker without training, alone and stacked, on stored features: mAP before and after, time.

    python -m tests.benchmarks.bench_reranking --query_features='build/real/features/query-*.h5' \\
        --index_features='build/real/features/index-*.h5' --ground_truth=build/real/eval_shards

Without flags the features are those of `make demo`.

Prints a row per stack: mAP with its 95 % bootstrap interval, the gain over the plain search with the interval
of the differences on the same queries, and milliseconds per query, search included. The constants are those
of SearchConfig, each with a flag of its name. A gain counts where its interval lies above 0.
"""

from __future__ import annotations

import itertools
import time

import rich.console
import rich.table
from absl import flags

from data_prep import command_line
from delg import config_flags, rerankers
from delg.config import RERANKERS, SearchConfig
from delg.features_io import FeatureReader
from delg.ground_truth import load_ground_truth
from tests.benchmarks.retrieval_scores import mean_and_interval, score_rows

_QUERY_FEATURES = flags.DEFINE_string(
    "query_features", "build/demo/features/query-*.h5", "Glob or folder of feature shards.")
_INDEX_FEATURES = flags.DEFINE_string(
    "index_features", "build/demo/features/index-*.h5", "Glob or folder of feature shards.")
_GROUND_TRUTH = flags.DEFINE_string(
    "ground_truth", "build/demo/eval_shards", "A .mat, .pkl, .json or dataset.json.")
_STACKS = flags.DEFINE_multi_string("stack", None, "Names with commas between them; again for another stack. "
                                    "None: every one alone, pair, triple and all four, dba first.")
_search_config = config_flags.define_flags(SearchConfig)


def all_stacks() -> list[str]:
    """Each alone, pairs and triples in the order of RERANKERS with `dba` first, and all four."""
    ordered = ("dba", *(name for name in RERANKERS if name != "dba"))
    return [",".join(names) for count in range(1, len(ordered) + 1)
            for names in itertools.combinations(ordered, count)]


def main(_: list[str]) -> None:
    settings = {**vars(_search_config()), "num_neighbors": 0}
    truth = load_ground_truth(_GROUND_TRUTH.value)
    with FeatureReader(_QUERY_FEATURES.value) as queries, FeatureReader(_INDEX_FEATURES.value) as images:
        table = rich.table.Table(title=f"{len(queries.ids)} queries, {len(images.ids)} images of "
                                       f"{images.global_descriptors.shape[1]}; mAP, percent")
        for name in ("re-rankers", "medium", "gain", "hard", "gain", "ms / query"):
            table.add_column(name, justify="left" if name == "re-rankers" else "right")
        plain = None
        for stack in ["", *(_STACKS.value or all_stacks())]:
            config = SearchConfig(**{**settings, "rerankers": stack})
            start = time.perf_counter()
            ranks, _ = rerankers.rerank(queries.global_descriptors, images.global_descriptors, config)
            seconds = time.perf_counter() - start
            scores = score_rows(ranks, queries, images, truth)
            found = {protocol: scores[protocol].average_precision for protocol in ("medium", "hard")}
            plain = plain or found
            cells = [cell for protocol, values in found.items() for cell in (
                mean_and_interval(values),
                mean_and_interval(values - plain[protocol], "+") if stack else "")]
            table.add_row(stack.replace(",", ", ") or "none", *cells,
                          f"{1000 * seconds / len(queries.ids):.1f}")
    rich.console.Console(width=140).print(table)


if __name__ == "__main__":
    command_line.run(main)
