"""The server against the bare model on the same photographs, in the same run.

    python -m tests.benchmarks.bench_serving --seconds=60

An index of 10,000 images, all but one made up, is served by delg.serve in a process of its own. (a) One
client: the time from an upload of 512 pixels to the global answer against that of the model alone, and from
there to the first hit that is verified. (b) Eight clients at once for a minute: searches by global
descriptors a second against photographs a second that the model describes in its own batches; errors; memory
of the server after a quarter of the time and at its end. Weights are random: they change no times.
"""

from __future__ import annotations

import dataclasses
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import numpy as np
import requests
from absl import flags

from data_prep.stage import command_line
from delg.exports import saving
from delg.features.describing import ImageDescriber
from delg.features.shards import FeatureShardWriter, ImageFeatures, LocalFeatures
from delg.index import building
from delg.settings.index import IndexConfig
from delg.settings.photos import photo_extraction
from delg.settings.untrained import UntrainedConfig
from delg.untrained.network import build_untrained
from delg.vectors.unit import unit_vectors
from tests.benchmarks.generated_images import read_images, write_images
from tests.benchmarks.memory import resident_megabytes

_NUM_IMAGES = flags.DEFINE_integer("num_images", 10_000, "Images of the index.")
_NUM_LOCAL = flags.DEFINE_integer("num_local", 100, "Local features of each.")
_SECONDS = flags.DEFINE_integer("seconds", 60, "Time that eight clients search.")
_NUM_CLIENTS = 8
_NUM_ROUNDS = 5


def main(_) -> None:
    with tempfile.TemporaryDirectory() as folder:
        photographs, describer = _make(folder)
        many = photographs * (32 // len(photographs))
        alone = [_timed(describer.describe, photographs[0]) for _ in range(_NUM_ROUNDS + 1)][1:]
        in_batches = len(many) / min(_timed(describer.describe_all, many) for _ in range(2))
        del describer
        server = subprocess.Popen(
            [sys.executable, "-m", "delg.serve", f"--index_dir={folder}/index", "--port=0",
             f"--index_features={folder}/features", f"--local_index_dir={folder}/local_index",
             f"--saved_model={folder}/saved_model"], stdout=subprocess.PIPE, text=True)
        try:
            address = server.stdout.readline().partition(": ")[0] + "/v1"
            _one_client(address, photographs, statistics.median(alone))
            _many_clients(address, photographs, in_batches, server.pid)
        finally:
            server.terminate()
            server.wait()


def _make(folder: str) -> tuple[list[bytes], ImageDescriber]:
    """Some photographs, and what describes them; writes model, features and indexes."""
    saved_model, network = os.path.join(folder, "saved_model"), UntrainedConfig()
    saving.export_built(build_untrained(network, "none"), dataclasses.asdict(network), 0.0, saved_model,
                        UntrainedConfig)
    describer = ImageDescriber(saved_model, dataclasses.replace(photo_extraction(), precision="float32"))
    write_images(os.path.join(folder, "photos"), 8)
    photographs = read_images(os.path.join(folder, "photos"))
    known = describer.describe(photographs[1])
    os.mkdir(os.path.join(folder, "features"))
    generator = np.random.default_rng(0)
    with FeatureShardWriter(os.path.join(folder, "features/all.h5"), describer.settings, describer.global_dim,
                            describer.local_dim) as writer:
        writer.append("known", known.global_descriptor, known.image_size, known.local)
        for number in range(_NUM_IMAGES.value - 1):
            image = _made_up(generator, describer)
            writer.append(f"made_up_{number}", image.global_descriptor, image.image_size, image.local)
    features = os.path.join(folder, "features")
    building.build_index(features, os.path.join(folder, "index"))
    building.build_index(features, os.path.join(folder, "local_index"),
                         IndexConfig(index_type="binary_asmk", num_training_descriptors=20_480))
    return photographs, describer


def _made_up(generator: np.random.Generator, describer: ImageDescriber) -> ImageFeatures:
    count = _NUM_LOCAL.value
    local = LocalFeatures(
        generator.uniform(0, 384, (count, 2)).astype(np.float32),
        unit_vectors(generator.normal(size=(count, describer.local_dim)).astype(np.float32)),
        np.sort(generator.uniform(size=count).astype(np.float32))[::-1], np.ones(count, np.float32))
    descriptor = np.abs(generator.normal(size=describer.global_dim)).astype(np.float32)
    return ImageFeatures(unit_vectors(descriptor), local, (384, 512))


def _one_client(address: str, photographs: list[bytes], alone: float) -> None:
    seconds, verified = [], []
    for number in range(_NUM_ROUNDS + 1):
        start = time.perf_counter()
        found = _post(f"{address}/searches", photographs[0])
        answered = time.perf_counter()
        while all(hit["verdict"] is None for hit in found["hits"]):
            time.sleep(0.01)
            found = _look(address, found)
        if number:  # the first warms up
            seconds.append(answered - start)
            verified.append(time.perf_counter() - answered)
        while not found["is_final"]:  # the next search is to have the machine for itself
            time.sleep(0.01)
            found = _look(address, found)
    taken = statistics.median(seconds)
    print(f"global answer after {taken:.3f} s, {taken / alone:.2f} of the model's {alone:.3f} s; first "
          f"verified hit {statistics.median(verified):.3f} s later")


def _many_clients(address: str, photographs: list[bytes], in_batches: float, pid: int) -> None:
    end = time.monotonic() + _SECONDS.value
    counts, errors = [0] * _NUM_CLIENTS, []

    def client(number: int) -> None:
        while time.monotonic() < end:
            try:
                _post(f"{address}/search?verify=false", photographs[number % len(photographs)])
                counts[number] += 1
            except (requests.RequestException, AssertionError) as error:
                errors.append(error)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(_NUM_CLIENTS)]
    for thread in threads:
        thread.start()
    time.sleep(_SECONDS.value / 4)  # in which buffers of the model come to their size
    before = resident_megabytes(pid)
    for thread in threads:
        thread.join()
    rate = sum(counts) / _SECONDS.value
    print(f"{_NUM_CLIENTS} clients: {rate:.2f} searches/s, {rate / in_batches:.2f} of the model's "
          f"{in_batches:.2f} photographs/s in its own batches; {len(errors)} errors; memory {before} -> "
          f"{resident_megabytes(pid)} MB")


def _post(address: str, photograph: bytes) -> dict:
    response = requests.post(address, files={"image": photograph}, timeout=60)
    assert response.ok, response.text
    return response.json()


def _look(address: str, found: dict) -> dict:
    return requests.get(f"{address}/searches/{found['search']}", timeout=60).json()


def _timed(function, argument) -> float:
    start = time.perf_counter()
    function(argument)
    return time.perf_counter() - start


if __name__ == "__main__":
    command_line.run(main)
