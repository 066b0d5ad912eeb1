"""How time and memory of the builder and the reader grow with the size of a set.

    python -m tests.benchmarks.bench_scale --sizes=1000,10000,100000,1000000

Lays out sets of small JPEGs as GLDv2 has them, by hard links to the same 500 files, and builds
and reads each in a process of its own. Prints for each size the time and the peak memory of building, of
building again when all is there, of checking every byte, and of reading one epoch shuffled; the ratio is that
of the rates of the largest and the smallest set. A million images take about ten minutes and 3 GB.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from absl import flags, logging

from data_prep.building import building
from data_prep.building.config import BuildConfig
from data_prep.checking import validation
from data_prep.records import pipeline
from data_prep.stage import command_line

_SIZES = flags.DEFINE_list("sizes", ["1000", "10000", "100000"], "Images of each set.")
_NUM_DISTINCT = 500
_IMAGES_PER_CLASS = 20
_BATCH_SIZE = 256
_IMAGE_SIZE = 32  # pixels, of what the reader gives


def write_set(directory: str, num_images: int) -> str:
    """A tree 0/1/2/ID.jpg of small images below `directory`; the path of its table."""
    rng = np.random.default_rng(0)
    originals = []
    for number in range(_NUM_DISTINCT):
        path = os.path.join(directory, f"original{number}")
        coarse = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        encoded = cv2.imencode(".jpg", cv2.resize(coarse, (64, 48), interpolation=cv2.INTER_CUBIC))[1]
        with open(path, "wb") as file:
            file.write(encoded.tobytes())
        originals.append(path)
    for folders in itertools.product("0123456789abcdef", repeat=3):
        os.makedirs(os.path.join(directory, "images", *folders))
    table = os.path.join(directory, "train.csv")
    with open(table, "w", encoding="utf-8") as file:
        file.write("id,url,landmark_id\n")
        for number in range(num_images):
            image_id = f"{number * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF:016x}"  # as random as GLDv2's
            os.link(originals[number % _NUM_DISTINCT],
                    os.path.join(directory, "images", *image_id[:3], f"{image_id}.jpg"))
            file.write(f"{image_id},,{number // _IMAGES_PER_CLASS}\n")
    return table


def build(directory: str, table: str) -> None:
    building.build(BuildConfig("gldv2", os.path.join(directory, "images"), os.path.join(directory, "shards"),
                               num_shards=max(2, int(os.path.getsize(table) / 1e6)), train_csv=table,
                               validation_fraction=0))


def validate(directory: str, _: str) -> None:
    report = validation.validate(os.path.join(directory, "shards"))
    if report.problems:
        raise ValueError(f"The set must be whole. Received: {report.problems[0]}.")


def read(directory: str, _: str) -> None:
    pattern = os.path.join(directory, "shards", "train-*")
    dataset = pipeline.make_dataset(pattern, _IMAGE_SIZE, _BATCH_SIZE, seed=0, training=True)
    steps = pipeline.count_examples(pattern) // _BATCH_SIZE
    for _ in dataset.take(steps):
        pass


def _measure(function: Callable[[str, str], None], directory: str, table: str, results: Any) -> None:
    logging.set_verbosity(logging.ERROR)
    start = time.perf_counter()
    function(directory, table)
    seconds = time.perf_counter() - start
    own, workers = (resource.getrusage(who).ru_maxrss / 1e3
                    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    results.put((seconds, own, workers))


def main(_: list[str]) -> None:
    context = multiprocessing.get_context("spawn")
    works = {"build": build, "build again": build, "validate": validate, "read an epoch": read}
    rates: dict[str, list[float]] = {name: [] for name in works}
    print("images     work             seconds  images/s   peak MB of the process, of a worker")
    for size in map(int, _SIZES.value):
        with tempfile.TemporaryDirectory(dir=".") as directory:
            table = write_set(directory, size)
            for name, function in works.items():
                results = context.Queue()
                process = context.Process(target=_measure, args=(function, directory, table, results))
                process.start()
                process.join()
                if process.exitcode:
                    raise OSError(f"{name} of {size} images must end well. Received: {process.exitcode}.")
                seconds, own, worker = results.get()
                rates[name].append(size / seconds)
                print(f"{size:<10d} {name:15s} {seconds:8.1f} {size / seconds:9.0f} {own:8.0f} {worker:8.0f}",
                      flush=True)
    for name, found in rates.items():
        print(f"{name}: rate of the largest set / of the smallest {found[-1] / found[0]:.2f}")


if __name__ == "__main__":
    command_line.run(main)
