"""Every re-ranker without training, alone and stacked, on stored features: mAP before and after, time.

    python -m tests.benchmarks.bench_reranking --query_features='build/real/features/query-*.h5' \\
        --index_features='build/real/features/index-*.h5' --ground_truth=build/real/eval_shards

Without flags the features are those of `make demo`.

Prints a row per stack: mAP with its 95 % bootstrap interval, the gain over the plain search with the interval
of the differences on the same queries, and milliseconds per query, search included. The constants are those
of SearchConfig, each with a flag of its name; with `--choosing_query_features` and its like, each re-ranker
has those of GRIDS with which, alone, it does best on these other queries. A gain counts where its interval
lies above 0.
"""

from __future__ import annotations

import functools
import itertools
import time

import numpy as np
import rich.console
import rich.table
from absl import flags

from data_prep.stage import command_line, config_flags
from delg.features.reader import FeatureReader
from delg.scores import metrics
from delg.scores.ground_truth import GroundTruth, load_ground_truth
from delg.search.rerankers import stack as rerankers_stack
from delg.settings.kinds import RERANKERS
from delg.settings.search import SearchConfig
from tests.benchmarks.retrieval_scores import mean_and_interval, score_rows

_QUERY_FEATURES = flags.DEFINE_string(
    "query_features", "build/demo/features/query-*.h5", "Glob or folder of feature shards.")
_INDEX_FEATURES = flags.DEFINE_string(
    "index_features", "build/demo/features/index-*.h5", "Glob or folder of feature shards.")
_GROUND_TRUTH = flags.DEFINE_string(
    "ground_truth", "build/demo/eval_shards", "A .mat, .pkl, .json or dataset.json.")
_CHOOSING = [flags.DEFINE_string(f"choosing_{name}", "", f"The {name} of queries to choose constants on.")
             for name in ("query_features", "index_features", "ground_truth")]
_STACKS = flags.DEFINE_multi_string("stack", None, "Names with commas between them; again for another stack. "
                                    "None: every one alone, pair, triple and all four, dba first.")
_search_config = config_flags.define_flags(SearchConfig)


GRIDS = {"dba": {"dba_neighbors": (1, 2, 3, 5, 10)},
         "alpha_qe": {"qe_neighbors": (1, 2, 3, 5, 10)},
         "diffusion": {"diffusion_neighbors": (3, 5, 10, 50), "diffusion_seeds": (1, 3, 10),
                       "diffusion_gamma": (3.0, 20.0), "diffusion_alpha": (0.5, 0.9, 0.99)},
         "neighbor_refinement": {"refined_images": (50, 400), "refined_neighbors": (1, 2, 3, 5, 9),
                                 "refined_beta": (0.05, 0.15, 0.5)}}


def all_stacks() -> list[str]:
    """Each alone, pairs, triples and so on in the order of RERANKERS, those that change the index first."""
    ordered = sorted(RERANKERS, key=lambda name: not RERANKERS[name].changes_index)
    return [",".join(names) for count in range(1, len(ordered) + 1)
            for names in itertools.combinations(ordered, count)]


def _average_precision(settings: dict, stack: str, queries: FeatureReader, images: FeatureReader,
                       truth: GroundTruth) -> tuple[dict[str, np.ndarray], float]:
    """Medium and hard average precision [Q] after a stack of re-rankers, and the seconds it took."""
    start = time.perf_counter()
    ranks, _ = rerankers_stack.rerank(queries.global_descriptors, images.global_descriptors,
                                      SearchConfig(**{**settings, "rerankers": stack}))
    seconds = time.perf_counter() - start
    scores = score_rows(ranks, queries, images, truth)
    return {protocol: scores[protocol].average_precision for protocol in ("medium", "hard")}, seconds


def choose_constants(settings: dict, queries: FeatureReader, images: FeatureReader,
                     truth: GroundTruth) -> dict:
    """The constants of GRIDS with which each re-ranker alone has the largest mean of Medium and Hard."""

    def mean(name: str, trial: dict) -> float:
        scores, _ = _average_precision({**settings, **trial}, name, queries, images, truth)
        return float(np.mean([metrics.mean_over_queries(values) for values in scores.values()]))

    chosen = {}
    for name, grid in GRIDS.items():
        trials = [dict(zip(grid, values)) for values in itertools.product(*grid.values())]
        chosen.update(max(trials, key=functools.partial(mean, name)))
    return chosen


def main(_: list[str]) -> None:
    settings = {**vars(_search_config()), "num_neighbors": 0}
    console = rich.console.Console(width=140)
    if all(flag.value for flag in _CHOOSING):
        with FeatureReader(_CHOOSING[0].value) as queries, FeatureReader(_CHOOSING[1].value) as images:
            chosen = choose_constants(settings, queries, images, load_ground_truth(_CHOOSING[2].value))
        console.print("Chosen:", chosen)
        settings.update(chosen)
    truth = load_ground_truth(_GROUND_TRUTH.value)
    with FeatureReader(_QUERY_FEATURES.value) as queries, FeatureReader(_INDEX_FEATURES.value) as images:
        table = rich.table.Table(title=f"{len(queries.ids)} queries, {len(images.ids)} images of "
                                       f"{images.global_descriptors.shape[1]}; mAP, percent")
        for name in ("re-rankers", "medium", "gain", "hard", "gain", "ms / query"):
            table.add_column(name, justify="left" if name == "re-rankers" else "right")
        plain = None
        for stack in ["", *(_STACKS.value or all_stacks())]:
            found, seconds = _average_precision(settings, stack, queries, images, truth)
            plain = plain or found
            cells = [cell for protocol, values in found.items() for cell in (
                mean_and_interval(values),
                mean_and_interval(values - plain[protocol], "+") if stack else "")]
            table.add_row(stack.replace(",", ", ") or "none", *cells,
                          f"{1000 * seconds / len(queries.ids):.1f}")
    console.print(table)


if __name__ == "__main__":
    command_line.run(main)
