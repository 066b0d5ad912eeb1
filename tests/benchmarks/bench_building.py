"""Speed of building shards against the limits of the machine, measured in the same run.

    python -m tests.benchmarks.bench_building

Makes JPEGs of 512 pixels and, round after round, (a) reads and header-checks them, (b) reads, checks and
writes them one after the other into files as large as shards, which is the least that any builder does,
(c) builds shards, embedded in Beam, (d) builds them in a pool of processes without Beam. Each goes over the
files in a random order, once from the disk and once from memory. Prints images/s, and the ratios of (c).
The pool is measured once with its processes up and running, and once with their start, as a script has it.
Takes a few minutes and 4 GB of disk.
"""

from __future__ import annotations

import functools
import glob
import multiprocessing
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent import futures

import numpy as np
from absl import flags

from data_prep.building import building, shard_building
from data_prep.building import plan as building_plan
from data_prep.building.config import BuildConfig
from data_prep.images import image_headers
from data_prep.stage import command_line, files, jobs
from tests.benchmarks.generated_images import write_images

_NUM_IMAGES = flags.DEFINE_integer("num_images", 20_000, "JPEGs to build shards of.")
_NUM_DISTINCT = flags.DEFINE_integer("num_distinct", 2_000, "JPEGs to generate; the others are copies.")
_NUM_ROUNDS = flags.DEFINE_integer("num_rounds", 3, "Measurements of each.")
_WORKERS = jobs.num_processors()
_SHARDS = 16
_OURS = "build, Beam embedded"


def write_copies(directory: str, num_images: int, num_distinct: int) -> list[str]:
    """Files of a folder per class, each with bytes of its own on the disk."""
    write_images(directory, min(num_images, num_distinct))
    originals = sorted(glob.glob(os.path.join(directory, "*", "*.jpg")))
    for number in range(len(originals), num_images):
        original = originals[number % len(originals)]
        shutil.copyfile(original, f"{original[:-4]}_{number}.jpg")
    return sorted(glob.glob(os.path.join(directory, "*", "*.jpg")))


def check(paths: list[str], output: str = "") -> None:
    """Reads and checks files; writes them into one other file, if asked."""
    if output:
        with files.replacing(output) as temporary, open(temporary, "wb", buffering=0) as file:
            for path in paths:
                file.write(_read(path))
    else:
        for path in paths:
            _read(path)


def _read(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:
        encoded = file.read()
    image_headers.check_image(encoded)
    return encoded


def forget(directories: list[str]) -> None:
    """Has the system drop what it holds in memory of the files in some folders."""
    for directory in directories:
        for folder, _, names in os.walk(directory):
            for name in names:
                handle = os.open(os.path.join(folder, name), os.O_RDONLY)
                os.fsync(handle)
                os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
                os.close(handle)


def in_threads(function: Callable[[list[str]], None], paths: list[str], output_dir: str = "") -> None:
    """Calls the function of each shard's share of the files, on all processors."""
    shares = [paths[start::_SHARDS] for start in range(_SHARDS)]
    outputs = [os.path.join(output_dir, str(number)) if output_dir else "" for number in range(_SHARDS)]
    with futures.ThreadPoolExecutor(_WORKERS) as pool:
        list(pool.map(function, shares, outputs))


def build_in_processes(config: BuildConfig, pool: futures.ProcessPoolExecutor) -> None:
    """The shards of a build by a pool of processes that are up and running."""
    plan = building_plan.make_plan(config)
    os.makedirs(os.path.join(config.output_dir, shard_building.RECORDS_DIR))
    names = [name for split in plan.splits for name in split.shard_names()]
    for split in plan.splits:
        for name, piece in zip(split.shard_names(), building_plan.pieces(plan, split)):
            with open(shard_building.plan_path(config.output_dir, name), "wb") as file:
                file.write(piece)
    list(pool.map(functools.partial(shard_building.bring_up_to_date, config, plan.num_images), names))


def build_in_new_processes(config: BuildConfig) -> None:
    """The same, the start of the pool included."""
    with futures.ProcessPoolExecutor(_WORKERS, mp_context=multiprocessing.get_context("spawn")) as pool:
        build_in_processes(config, pool)


def main(_: list[str]) -> None:
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(dir=".") as directory, \
            futures.ProcessPoolExecutor(_WORKERS, mp_context=context) as pool:
        images_dir, output_dir = os.path.join(directory, "images"), os.path.join(directory, "output")
        paths = write_copies(images_dir, _NUM_IMAGES.value, _NUM_DISTINCT.value)
        paths = [paths[place] for place in np.random.default_rng(0).permutation(len(paths))]
        config = BuildConfig("folder", images_dir, output_dir, num_shards=_SHARDS, validation_fraction=0)
        works = {"read and check": lambda: in_threads(check, paths),
                 "read, check, write": lambda: in_threads(check, paths, output_dir),
                 _OURS: lambda: building.build(config),
                 "build, running pool": lambda: build_in_processes(config, pool),
                 "build, pool and its start": lambda: build_in_new_processes(config)}
        rates: dict[tuple[str, str], list[float]] = {}
        for number in range(-1, _NUM_ROUNDS.value):  # the first round warms up: imports, processes
            for name, work in works.items():
                for place in ("disk", "memory"):
                    shutil.rmtree(output_dir, ignore_errors=True)
                    if name == "read, check, write":
                        os.makedirs(output_dir)
                    if place == "disk":
                        forget([images_dir])
                    else:
                        check(paths)
                    start = time.perf_counter()
                    work()
                    rate = len(paths) / (time.perf_counter() - start)
                    if number >= 0:
                        rates.setdefault((name, place), []).append(rate)
        kilobytes = statistics.mean(map(os.path.getsize, paths)) / 1e3
    print(f"{len(paths)} JPEGs of {kilobytes:.0f} KB, {_WORKERS} processors, load {os.getloadavg()[0]:.1f}; "
          "images/s (from the disk, from memory)")
    median = {key: statistics.median(values) for key, values in rates.items()}
    for name in works:
        print(f"{name:26s} {median[name, 'disk']:8.0f} {median[name, 'memory']:8.0f}")
    for name in works:
        if name != _OURS:
            ratios = [median[_OURS, place] / median[name, place] for place in ("disk", "memory")]
            print(f"{_OURS} / {name:26s} {ratios[0]:.2f} {ratios[1]:.2f}")


if __name__ == "__main__":
    command_line.run(main)
