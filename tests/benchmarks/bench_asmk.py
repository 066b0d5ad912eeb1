"""Search by local features (ASMK, binary ASMK) against global descriptors: mAP, size, time.

    python -m tests.benchmarks.bench_asmk --query_features='build/demo/features/query-*.h5' \\
        --index_features='build/demo/features/index-*.h5' --ground_truth=build/demo/eval_shards \\
        --codebook_features='build/demo/train_features/*.h5' [--num_codewords=1024,4096]

Prints for each index mAP before and after verification with 95 % bootstrap intervals, the bytes that grow
with the images, milliseconds of a query (its codewords found and all images ranked, features in memory; the
median of rounds) and seconds of building, codewords included. `--codebook_features` are best of images that
are neither searched nor queries, as delg.extract_features writes them of training shards with the settings
of the others; without it codewords are learnt from the index features. Search settings have flags of their
names.
"""

from __future__ import annotations

import dataclasses
import os
import tempfile
import time

import numpy as np
import rich.console
import rich.table
from absl import flags, logging

from data_prep.stage import command_line, config_flags
from delg.features.reader import FeatureReader
from delg.index import building
from delg.index.asmk.index import AsmkIndex
from delg.index.kind import ranked_by
from delg.scores import evaluation, metrics
from delg.search import retrieval
from delg.settings.index import IndexConfig
from delg.settings.kinds import LOCAL_FEATURES
from delg.settings.search import SearchConfig

_QUERY_FEATURES = flags.DEFINE_string(
    "query_features", None, "Glob or folder of feature shards.", required=True)
_INDEX_FEATURES = flags.DEFINE_string(
    "index_features", None, "Glob or folder of feature shards.", required=True)
_GROUND_TRUTH = flags.DEFINE_string(
    "ground_truth", None, "A .mat, .pkl, .json or dataset.json.", required=True)
_CODEBOOK_FEATURES = flags.DEFINE_string("codebook_features", "", "Features to learn codewords from.")
_NUM_CODEWORDS = flags.DEFINE_list("num_codewords", ["0"], "Numbers of codewords. 0: chosen by the features.")
_INDEX_TYPES = flags.DEFINE_list("index_types", ["exact", "asmk", "binary_asmk"], "Types of index.")
_ASMK_IDF = flags.DEFINE_bool("asmk_idf", False, "Whether rare codewords weigh more.")
_NUM_ROUNDS = flags.DEFINE_integer("num_rounds", 5, "Timed rounds.", lower_bound=1)
_search_config = config_flags.define_flags(SearchConfig)
_OF_IMAGES = ("descriptors", "residuals", "rows", "norms", "ids")  # files that grow with the images


def _cell(scores: dict, protocol: str) -> str:
    low, high = scores[protocol]["mAP_interval"]
    return f"{scores[protocol]['mAP']:.1f} [{low:.1f}, {high:.1f}]"


def _search_seconds(loaded, queries: FeatureReader) -> float:
    """Median over rounds of a search of all queries."""
    asked = queries.global_descriptors
    if isinstance(loaded, AsmkIndex):
        asked = [queries.local_features(row).descriptors for row in range(len(queries))]
    seconds = []
    for _ in range(_NUM_ROUNDS.value):
        start = time.perf_counter()
        loaded.search(asked, 0)
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds))


def _rows(config: IndexConfig, search: SearchConfig, folder: str):
    """Cells of the table, before and after verification."""
    start = time.perf_counter()
    loaded = building.build_index(_INDEX_FEATURES.value, folder, config)
    build_seconds = time.perf_counter() - start
    num_bytes = sum(os.path.getsize(os.path.join(folder, name)) for name in os.listdir(folder)
                    if name.startswith(_OF_IMAGES))
    with FeatureReader(_QUERY_FEATURES.value) as queries:
        milliseconds = 1000 * _search_seconds(loaded, queries) / len(queries)
    ranking = os.path.join(folder, "ranking.h5")
    retrieval.search(_QUERY_FEATURES.value, _INDEX_FEATURES.value, folder, ranking, search)
    scores = evaluation.evaluate(ranking, _GROUND_TRUTH.value)
    name = config.index_type
    if isinstance(loaded, AsmkIndex):
        name = f"{name}, {len(loaded.quantizer.codebook)} codewords"
    for stage in [stage for stage in ("global", "verified") if stage in scores]:
        cells = [_cell(scores[stage], protocol) for protocol in metrics.PROTOCOLS]
        size = [f"{num_bytes / len(loaded):.0f}", f"{milliseconds:.2f}", f"{build_seconds:.1f}"]
        yield [name, *cells, *size] if stage == "global" else ["  verified", *cells, "", "", ""]


def main(_: list[str]) -> None:
    logging.set_verbosity(logging.WARNING)
    table = rich.table.Table(title="mAP, percent")
    for name in ("index", *metrics.PROTOCOLS, "bytes / image", "ms / query", "build, s"):
        table.add_column(name, justify="left" if name == "index" else "right")
    search = dataclasses.replace(_search_config(), num_neighbors=0)
    for index_type in _INDEX_TYPES.value:
        counts = _NUM_CODEWORDS.value if ranked_by(index_type) == LOCAL_FEATURES else ["0"]
        for num_codewords in map(int, counts):
            config = IndexConfig(index_type=index_type, num_codewords=num_codewords,
                                 asmk_idf=_ASMK_IDF.value, codebook_features=_CODEBOOK_FEATURES.value)
            with tempfile.TemporaryDirectory() as folder:
                for cells in _rows(config, search, folder):
                    table.add_row(*cells)
    rich.console.Console(width=150).print(table)


if __name__ == "__main__":
    command_line.run(main)
