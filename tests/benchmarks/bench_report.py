"""The largest report, opened in a browser: its size, and the time until it is there and can be used.

    python -m tests.benchmarks.bench_report --num_queries=70 --num_images=5000

A search of ROxf's size is made up: images by formula, features planted around each query, ten positives each;
it is searched, verified, scored and reported with every query listed. Chromium without a window opens the
page from its file, three times; the times are those of its load event, which comes after everything that the
page needs, and of the first paint.
"""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import statistics
import tempfile
import time

import numpy as np
from absl import flags

from data_prep.stage import command_line, files
from delg.features import reader
from delg.features.shards import FeatureShardWriter, LocalFeatures
from delg.index.searching import ExactIndex
from delg.report import page
from delg.scores import evaluation
from delg.search import retrieval
from delg.settings.report import ReportConfig
from delg.settings.search import SearchConfig
from delg.vectors.unit import unit_vectors
from tests.benchmarks.generated_images import write_images
from tests.fixtures import browser
from tests.fixtures.saved_index import save_index

_NUM_QUERIES = flags.DEFINE_integer("num_queries", 70, "Queries.")
_NUM_IMAGES = flags.DEFINE_integer("num_images", 5000, "Index images.")
_NUM_PICTURES = 50  # by formula; the others are the same files under other names
_NUM_POSITIVES, _NUM_LOCAL, _DIMENSION, _LOCAL_DIMENSION = 10, 100, 256, 64
_SIZE = (384, 512)
_TIMES = "const [page] = performance.getEntriesByType('navigation');" \
         "const [paint] = performance.getEntriesByName('first-contentful-paint');" \
         "return [page.loadEventEnd, paint.startTime];"


def main(_) -> None:
    with tempfile.TemporaryDirectory() as folder:
        _make(folder)
        start = time.perf_counter()
        path = page.make_report(ReportConfig(
            **{name: os.path.join(folder, file) for name, file in (
                ("ranking", "ranking.h5"), ("ground_truth", "gnd.json"), ("metrics", "metrics.json"),
                ("query_features", "query.h5"), ("index_features", "index.h5"), ("query_images", "query"),
                ("index_images", "index"), ("output_dir", "report"))}))
        seconds = time.perf_counter() - start
        beside = sum(file.stat().st_size for file in pathlib.Path(path).parent.glob("*/*"))
        print(f"{_NUM_QUERIES.value} x {_NUM_IMAGES.value}: made in {seconds:.1f} s, page of "
              f"{os.path.getsize(path) / 1e6:.1f} of the 15 MB asked, {beside / 1e6:.1f} MB beside it")
        _open(path)


def _open(path: str) -> None:
    found = browser.without_window(shutil.which("chromium"), shutil.which("chromedriver"))
    try:
        times = []
        for _ in range(3):
            found.get("about:blank")
            found.get(pathlib.Path(path).as_uri())
            times.append([value / 1000 for value in found.execute_script(_TIMES)])
        loaded, painted = (statistics.median(values) for values in zip(*times))
        print(f"opened in {loaded:.2f} of the 3 s asked; first paint after {painted:.2f} s")
    finally:
        found.quit()


def _make(folder: str) -> None:
    generator = np.random.default_rng(0)
    _write_pictures(folder)
    queries = [f"query{number}.jpg" for number in range(_NUM_QUERIES.value)]
    images = [f"image{number}.jpg" for number in range(_NUM_IMAGES.value)]
    looks = unit_vectors(generator.normal(size=(len(queries), _DIMENSION)).astype(np.float32))
    points = generator.uniform((0, 0), _SIZE, (len(queries), _NUM_LOCAL, 2)).astype(np.float32)
    words = generator.normal(size=(len(queries), _NUM_LOCAL, _LOCAL_DIMENSION)) / 8

    def write(name: str, ids: list[str], shown: list[int]) -> None:
        with FeatureShardWriter(os.path.join(folder, name), {"fingerprint": "f" * 64, "max_image_size": 512},
                                _DIMENSION, _LOCAL_DIMENSION) as writer:
            for image_id, query in zip(ids, shown):
                descriptor = generator.normal(size=_DIMENSION).astype(np.float32) / 16
                local_words = generator.normal(size=(_NUM_LOCAL, _LOCAL_DIMENSION)).astype(np.float32) / 8
                places = generator.uniform((0, 0), _SIZE, (_NUM_LOCAL, 2)).astype(np.float32)
                if query >= 0:
                    descriptor, local_words = looks[query] + descriptor, words[query] + local_words / 4
                    places = points[query] * generator.uniform(0.8, 1)
                writer.append(image_id, unit_vectors(descriptor), _SIZE, LocalFeatures(
                    places.astype(np.float32), unit_vectors(local_words.astype(np.float32)),
                    np.linspace(1, 0.1, _NUM_LOCAL, dtype=np.float32), np.ones(_NUM_LOCAL, np.float32)))

    write("query.h5", queries, list(range(len(queries))))
    shown = [number // _NUM_POSITIVES if number < _NUM_POSITIVES * len(queries) else -1
             for number in range(len(images))]
    write("index.h5", images, shown)
    with open(os.path.join(folder, "gnd.json"), "w", encoding="utf-8") as file:
        json.dump({"imlist": images, "qimlist": queries, "gnd": [
            {"bbx": [0.0, 0.0, 512.0, 384.0], "junk": [],
             "easy": [_NUM_POSITIVES * number + place for place in range(5)],
             "hard": [_NUM_POSITIVES * number + place for place in range(5, 10)]}
            for number in range(len(queries))]}, file)
    with reader.FeatureReader(os.path.join(folder, "index.h5")) as opened:
        index = ExactIndex(opened.global_descriptors, opened.ids, "f" * 64)
        save_index(index, os.path.join(folder, "index_dir"))
    ranking = os.path.join(folder, "ranking.h5")
    retrieval.search(os.path.join(folder, "query.h5"), os.path.join(folder, "index.h5"),
                     os.path.join(folder, "index_dir"), ranking, SearchConfig(num_rerank=20, min_inliers=15))
    files.write_json(os.path.join(folder, "metrics.json"),
                     evaluation.evaluate(ranking, os.path.join(folder, "gnd.json")))


def _write_pictures(folder: str) -> None:
    write_images(os.path.join(folder, "made"), _NUM_PICTURES)
    pictures = sorted(pathlib.Path(folder, "made").glob("*/*"))
    for split, name, count in (("query", "query", _NUM_QUERIES.value), ("index", "image", _NUM_IMAGES.value)):
        os.mkdir(os.path.join(folder, split))
        for number in range(count):
            os.link(pictures[number % len(pictures)], os.path.join(folder, split, f"{name}{number}.jpg"))


if __name__ == "__main__":
    command_line.run(main)
