"""A whole search as it grows: features of a million images with local features, an index, verified results.

    python -m tests.benchmarks.bench_million --work_dir=DIR [--sizes=10000,100000,1000000] [--num_queries=100]

Images are those of `made_features`, 64 local features each, in shards of 10,000. For each size, in a process
of its own: the index that `--index_type` means (auto: exact below a million, ivf from there on), and the
search, which compares the features with the index, finds the first 1,000 of each query and verifies 100 of
them in two processes. Prints seconds, the share of verified results that hold, and memory: the processes'
own, all together, and mapped pages of files, which the system takes back when it needs them. Says what falls
short: a search whose own memory is above 6 GB. A million images take 28 GB of disk for features and 9 GB for
the index; both stay in `--work_dir`.
"""

from __future__ import annotations

import os
import shutil

import numpy as np
from absl import flags

from data_prep.stage import command_line
from delg.index import building
from delg.search import retrieval
from delg.settings.index import IndexConfig
from delg.settings.search import SearchConfig
from tests.benchmarks import made_features
from tests.benchmarks.memory import measured

_WORK_DIR = flags.DEFINE_string("work_dir", None, "Folder for the files, which stay.", required=True)
_SIZES = flags.DEFINE_list("sizes", ["10000", "100000", "1000000"], "Images, powers of ten from 10,000 on.")
_NUM_QUERIES = flags.DEFINE_integer("num_queries", 100, "Queries.", lower_bound=1)
_NUM_FEATURES = flags.DEFINE_integer("num_features", 64, "Local features of an image.", lower_bound=1)
_INDEX_TYPE = flags.DEFINE_string("index_type", IndexConfig.index_type, "As of delg.build_index.")
_MAX_GIGABYTES = flags.DEFINE_float("max_gigabytes", 6, "Most memory of a search.")
_SEARCH = SearchConfig(num_neighbors=1000)


def _pattern(folder: str, size: int) -> str:
    """The shards of the first images: their numbers end in as many digits as there are powers of ten."""
    num_digits = round(np.log10(size / made_features.SHARD_IMAGES))
    return os.path.join(folder, f"images-{'0' * (4 - num_digits)}{'[0-9]' * num_digits}.h5")


def _build(folder: str, size: int, index_type: str) -> str:
    index_dir = os.path.join(folder, f"index-{size}")
    shutil.rmtree(index_dir, ignore_errors=True)
    building.build_index(_pattern(folder, size), index_dir, IndexConfig(index_type=index_type))
    return index_dir


def _search(folder: str, size: int) -> float:
    """The share of results verified that have inliers above the floor."""
    output = os.path.join(folder, f"ranking-{size}.h5")
    if os.path.exists(output):
        os.remove(output)
    ranking = retrieval.search(os.path.join(folder, "queries.h5"), _pattern(folder, size),
                               os.path.join(folder, f"index-{size}"), output, _SEARCH, num_workers=2)
    verified = ranking.num_inliers[:, :ranking.num_verified]
    return float(np.mean(verified >= ranking.config["min_inliers"]))


def main(_: list[str]) -> None:
    folder, sizes = _WORK_DIR.value, sorted(map(int, _SIZES.value))
    os.makedirs(folder, exist_ok=True)
    written = measured(made_features.write_features, folder, sizes[-1], _NUM_QUERIES.value,
                       _NUM_FEATURES.value)
    print(f"features: {written.seconds:.0f} s")
    for size in sizes:
        built = measured(_build, folder, size, _INDEX_TYPE.value)
        found = measured(_search, folder, size)
        print(f"{size} images: index {built.seconds:.0f} s, {built.own:.2f} GB + {built.mapped:.2f} mapped; "
              f"search {found.seconds:.0f} s, {found.own:.2f} GB + {found.mapped:.2f} mapped; "
              f"{100 * found.result:.0f} % of what was verified holds", flush=True)
        if found.own > _MAX_GIGABYTES.value:
            print(f"falls short: more than {_MAX_GIGABYTES.value:.0f} GB")


if __name__ == "__main__":
    command_line.run(main)
