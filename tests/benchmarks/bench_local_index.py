"""How long it takes to build a binary ASMK index of many images, and how much memory.

    python -m tests.benchmarks.bench_local_index --features='FEATURES/*.h5' [--num_images=10000]

Makes images of 1,000 local features, each drawn at random from those of `--features` with noise on it, and
builds the index of them in a process of its own. Prints seconds, and seconds of processor time of all
threads, of learning the codewords and of all else, and the peak of memory. Says what falls short: more than
180 seconds for either, or more than 4 GB.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import tempfile
import time
from multiprocessing.connection import Connection
from unittest import mock

import numpy as np
from absl import flags

from data_prep.stage import command_line
from delg.features.reader import FeatureReader
from delg.features.shards import FeatureShardWriter, LocalFeatures
from delg.index import building
from delg.index.asmk import quantizer
from delg.settings.index import IndexConfig

_FEATURES = flags.DEFINE_string("features", None, "Glob of feature shards.", required=True)
_NUM_IMAGES = flags.DEFINE_integer("num_images", 10_000, "Images to index.", lower_bound=1)
_NUM_FEATURES = flags.DEFINE_integer("num_features", 1000, "Local features of each.", lower_bound=1)
_MAX_SECONDS = flags.DEFINE_float("max_seconds", 180, "Most for the codewords, and for all else.")
_MAX_GIGABYTES = flags.DEFINE_float("max_gigabytes", 4, "Most memory at once.")
_IMAGES_OF_A_SHARD = 500
_NOISE = 0.3  # norm of what is added to unit descriptors: a cosine of 0.96


def write_features(features: str, folder: str, num_images: int, num_features: int) -> None:
    """Writes feature shards of made-up images."""
    generator = np.random.default_rng(0)
    with FeatureReader(features) as reader:
        known = np.concatenate([reader.local_features(row).descriptors for row in range(len(reader))])
        config = reader.config
    dimension = known.shape[1]
    places = np.zeros((num_features, 2), np.float32)
    numbers = np.ones(num_features, np.float32)
    for first in range(0, num_images, _IMAGES_OF_A_SHARD):
        with FeatureShardWriter(os.path.join(folder, f"{first:08d}.h5"), config, 1, dimension,
                                "float16") as writer:
            for image in range(first, min(first + _IMAGES_OF_A_SHARD, num_images)):
                drawn = known[generator.integers(len(known), size=num_features)]
                noise = generator.standard_normal(drawn.shape, np.float32)
                drawn = drawn + _NOISE / dimension**0.5 * noise
                drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
                writer.append(str(image), np.ones(1, np.float32), (1, 1),
                              LocalFeatures(places, drawn, numbers, numbers))


def build(features: str, index_dir: str, results: Connection) -> None:
    """Sends wall and processor seconds of the codewords and of the rest, and gigabytes at most."""
    learning = []

    def timed(*arguments):
        start, busy = time.perf_counter(), time.process_time()
        codewords = quantizer_train(*arguments)
        learning.extend([time.perf_counter() - start, time.process_time() - busy])
        return codewords

    quantizer_train = quantizer.train_codebook
    start, busy = time.perf_counter(), time.process_time()
    with mock.patch.object(quantizer, "train_codebook", timed):
        building.build_index(features, index_dir, IndexConfig(index_type="binary_asmk"))
    rest = [time.perf_counter() - start - learning[0], time.process_time() - busy - learning[1]]
    results.send((learning, rest, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20))


def main(_: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_features(_FEATURES.value, folder, _NUM_IMAGES.value, _NUM_FEATURES.value)
        results, sent = multiprocessing.Pipe(duplex=False)
        process = multiprocessing.get_context("spawn").Process(
            target=build, args=(folder, os.path.join(folder, "index"), sent))
        process.start()
        sent.close()
        learning, rest, gigabytes = results.recv()
        process.join()
    for name, (seconds, busy) in (("codewords", learning), ("all else", rest)):
        print(f"{name}: {seconds:.1f} s, {busy:.1f} s of processors")
        if seconds > _MAX_SECONDS.value:
            print(f"falls short: {name} take more than {_MAX_SECONDS.value:.0f} s")
    print(f"memory: {gigabytes:.2f} GiB at most")
    if gigabytes > _MAX_GIGABYTES.value:
        print(f"falls short: more than {_MAX_GIGABYTES.value:.0f} GiB")


if __name__ == "__main__":
    command_line.run(main)
