"""A whole evaluation of the size of Revisited Oxford, from stored features to the three protocols.

    python -m tests.benchmarks.bench_evaluation [--num_images=5000] [--num_queries=70] [--work_dir=DIR]

Features are made, not extracted: a query has 1000 local features of 128 dimensions and a global descriptor of
2048; for each of 70 queries 40 index images show it under a random homography or a magnification of 1/2 to 2,
with 10, 30 or 60 % of its features (10 %: hard, else easy), and 5 more are junk; the others are of elsewhere.
Global descriptors of one landmark have a cosine of some 0.5, those of one of 20 categories 0.35, give or take
0.09. Local descriptors are float16, in 8 shards of 1.4 GB together; making them takes minutes and is not
counted. DIR keeps them.

Then, on two cores: the index is built, a floor on the inliers is calibrated, the first 100 of each query are
found and verified, and mAP is counted before and after. Prints the seconds of each stage, beside its
processor time over two cores, which other jobs on the machine lengthen less, and the ratio of the sum to
120 s.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import tempfile
import time
from collections.abc import Iterator

import numpy as np
import rich.console
import rich.table
from absl import flags

from data_prep.stage import command_line
from delg.features.reader import FeatureReader
from delg.features.shards import FeatureShardWriter
from delg.index import building
from delg.scores import evaluation
from delg.search import retrieval
from delg.settings.search import SearchConfig
from tests.benchmarks import planted_views

_NUM_IMAGES = flags.DEFINE_integer("num_images", 5000, "Index images.", lower_bound=100)
_NUM_QUERIES = flags.DEFINE_integer("num_queries", 70, "Queries; 45 index images are of each.", lower_bound=1)
_WORK_DIR = flags.DEFINE_string("work_dir", None, "Folder for the files. None: a temporary one.")
_VERIFIER = flags.DEFINE_string("verifier", SearchConfig.verifier, "As of delg.search_images.")
_MAX_SECONDS = flags.DEFINE_float("max_seconds", 120, "Most for the whole evaluation.")
_NUM_CORES = 2
_GLOBAL_DIMENSION, _NUM_SHARDS, _NUM_CATEGORIES = 2048, 8, 20
_NUM_POSITIVES, _NUM_JUNK = 40, 5
_NUM_LOADED = 200  # images whose loading is timed by itself


def _unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def _write(path: str, rows: Iterator) -> None:
    """A shard of (id, global descriptor, local features) triples."""
    config = {"fingerprint": "made", "max_image_size": 1024, "global_scales": [1.0]}
    with FeatureShardWriter(path, config, _GLOBAL_DIMENSION, planted_views.DIMENSION) as writer:
        for image_id, descriptor, local in rows:
            writer.append(image_id, descriptor, planted_views.SIZE, local)


def make_features(folder: str, num_images: int, num_queries: int) -> None:
    """Writes query-*.h5, index-*.h5 and gnd.json; deterministic."""
    generator = np.random.default_rng(0)
    centres = generator.normal(size=(60, planted_views.DIMENSION))  # looks that occur everywhere
    categories = _unit(generator.normal(size=(_NUM_CATEGORIES, _GLOBAL_DIMENSION)))
    landmarks = [planted_views.make_scene(generator, centres) for _ in range(num_queries)]
    looks = _unit(generator.normal(size=(num_queries, _GLOBAL_DIMENSION)))

    def describe(landmark: int | None) -> np.ndarray:
        own = np.zeros(_GLOBAL_DIMENSION)
        own[:32] = _unit(generator.normal(size=32))  # in few dimensions, so that strangers may resemble
        category = categories[(generator.integers(_NUM_CATEGORIES) if landmark is None
                               else landmark % _NUM_CATEGORIES)]
        return _unit(0.6 * category + 0.4 * (looks[landmark] if landmark is not None else 0) + 0.7 * own)

    _write(os.path.join(folder, "query-00000-of-00001.h5"),
           ((f"q{row}", describe(row), scene) for row, scene in enumerate(landmarks)))
    gnd = [{"bbx": [0, 0, 1024, 768], "easy": [], "hard": [], "junk": []} for _ in landmarks]
    shown = np.full(num_images, -1)
    shown[generator.permutation(num_images)[:num_queries * (_NUM_POSITIVES + _NUM_JUNK)]] = np.repeat(
        np.arange(num_queries), _NUM_POSITIVES + _NUM_JUNK)

    def images(rows: np.ndarray) -> Iterator:
        for row in rows:
            landmark = int(shown[row])
            if landmark < 0:
                yield f"i{row}", describe(None), planted_views.make_scene(generator, centres)
                continue
            share = generator.choice(planted_views.SHARES)
            kind = generator.choice(list(planted_views.KINDS))
            entry = gnd[landmark]
            is_junk = len(entry["junk"]) < _NUM_JUNK
            entry["junk" if is_junk else "hard" if share < 0.2 else "easy"].append(int(row))
            transform = planted_views.KINDS[kind](generator)
            local, _ = planted_views.make_view(landmarks[landmark], transform, share, centres, generator)
            yield f"i{row}", describe(landmark), local

    for number, rows in enumerate(np.array_split(np.arange(num_images), _NUM_SHARDS)):
        _write(os.path.join(folder, f"index-{number:05d}-of-{_NUM_SHARDS:05d}.h5"), images(rows))
    with open(os.path.join(folder, "gnd.json"), "w", encoding="utf-8") as file:
        json.dump({"imlist": [f"i{row}" for row in range(num_images)],
                   "qimlist": [f"q{row}" for row in range(num_queries)], "gnd": gnd}, file)


class Stages:
    """Wall-clock and processor seconds of named stages, child processes included."""

    def __init__(self):
        self.seconds: dict[str, tuple[float, float]] = {}

    @contextlib.contextmanager
    def time(self, name: str) -> Iterator[None]:
        start, processor = time.perf_counter(), _processor_seconds()
        yield
        self.seconds[name] = (time.perf_counter() - start, _processor_seconds() - processor)


def _processor_seconds() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def run(folder: str) -> tuple[Stages, dict, dict[str, float]]:
    """The stages of one evaluation, its scores, and milliseconds of parts of it measured by themselves."""
    queries, images = (os.path.join(folder, f"{split}-*.h5") for split in ("query", "index"))
    truth, index_dir = os.path.join(folder, "gnd.json"), os.path.join(folder, "index")
    ranking, by_global = (os.path.join(folder, name) for name in ("ranking.h5", "global_ranking.h5"))
    for path in (ranking, by_global):
        if os.path.exists(path):
            os.remove(path)  # else it would be kept
    stages, parts = Stages(), Stages()
    with stages.time("build the index"):
        building.build_index(images, index_dir)
    with stages.time("search and verify"):
        retrieval.search(queries, images, index_dir, ranking, SearchConfig(verifier=_VERIFIER.value),
                         num_workers=_NUM_CORES)
    with stages.time("score three protocols"):
        scores = evaluation.evaluate(ranking, truth)
    with parts.time("open the shards, global descriptors"), FeatureReader(images) as reader:
        pass
    with parts.time("search, nothing verified"):
        retrieval.search(queries, images, index_dir, by_global, SearchConfig(verifier="none"))
    with FeatureReader(images) as reader, parts.time(f"read the local features of {_NUM_LOADED} images"):
        for row in np.random.default_rng(0).permutation(len(reader))[:_NUM_LOADED]:
            reader.local_features(int(row))
    return stages, scores, parts.seconds


def main(_: list[str]) -> None:
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:_NUM_CORES])
    console = rich.console.Console(width=110)
    with contextlib.ExitStack() as stack:
        folder = _WORK_DIR.value or stack.enter_context(tempfile.TemporaryDirectory())
        os.makedirs(folder, exist_ok=True)
        if not os.path.exists(os.path.join(folder, "gnd.json")):
            make_features(folder, _NUM_IMAGES.value, _NUM_QUERIES.value)
        stages, scores, parts = run(folder)
    table = rich.table.Table(title="seconds on two cores")
    for name in ("", "clock", f"processor time / {_NUM_CORES}"):
        table.add_column(name, justify="right" if name else "left")
    total = tuple(map(sum, zip(*stages.seconds.values())))
    for name, (clock, processor) in (*stages.seconds.items(), ("the whole evaluation", total),
                                     *((f"by itself: {name}", part) for name, part in parts.items())):
        table.add_row(name, f"{clock:.2f}", f"{processor / _NUM_CORES:.2f}")
    console.print(table)
    console.print(evaluation.table(scores))
    ratio = total[0] / _MAX_SECONDS.value
    console.print(f"{ratio:.2f} of {_MAX_SECONDS.value:g} s by the clock, "
                  f"{total[1] / _NUM_CORES / _MAX_SECONDS.value:.2f} by processor time.")


if __name__ == "__main__":
    command_line.run(main)
