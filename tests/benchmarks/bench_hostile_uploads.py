"""A server under hostile uploads: that each is refused within 10 s, and what memory they take.

    python -m tests.benchmarks.bench_hostile_uploads --num_uploads=2000

A folder of photographs is served by delg.serve in a process of its own, with its default limits; eight
clients search for good photographs until memory has come to rest, and then send every kind of bad upload in
turn to the search and to the collection. Printed by kind: the statuses, and the slowest answer; then the
memory of the server before, at most and after, and a good search at the end. Damaged copies,
polyglots and plain pictures alone may be taken: where their pixels decode, they are photographs.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from absl import flags

from data_prep.stage import command_line
from delg.exports import saving
from delg.settings.untrained import UntrainedConfig
from delg.untrained.network import build_untrained
from tests.benchmarks import hostile_uploads
from tests.benchmarks.generated_images import read_images, write_images
from tests.benchmarks.hostile_uploads import LEFT
from tests.benchmarks.memory import resident_megabytes

_NUM_UPLOADS = flags.DEFINE_integer("num_uploads", 2000, "Hostile uploads.")
_WARM_SECONDS = flags.DEFINE_integer("warm_seconds", 30, "Time that good photographs are searched before.")
_NUM_CLIENTS = 8
_MAY_BE_GOOD = ("damaged", "polyglot", "plain")


def main(_) -> None:
    with tempfile.TemporaryDirectory() as folder:
        good = _make(folder)
        server = subprocess.Popen(
            [sys.executable, "-m", "delg.serve", f"--images_dir={folder}/photos", "--port=0",
             f"--saved_model={folder}/saved_model"], stdout=subprocess.PIPE, text=True)
        try:
            line = server.stdout.readline()
            while not line.startswith("http"):
                line = server.stdout.readline()
            port = int(line.partition(": ")[0].rpartition(":")[2])
            _attack(port, server.pid, good)
        finally:
            server.terminate()
            server.wait()


def _make(folder: str) -> list[bytes]:
    """Writes photographs and a model; the photographs."""
    network = UntrainedConfig()
    saving.export_built(build_untrained(network, "none"), dataclasses.asdict(network), 0.0,
                        f"{folder}/saved_model", UntrainedConfig)
    write_images(f"{folder}/photos", 16)
    return read_images(f"{folder}/photos")


def _attack(port: int, pid: int, good: list[bytes]) -> None:
    end = time.monotonic() + _WARM_SECONDS.value
    with ThreadPoolExecutor(_NUM_CLIENTS) as clients:
        while time.monotonic() < end:
            statuses = list(clients.map(functools.partial(hostile_uploads.post, port, "/v1/search"), good))
            assert set(statuses) == {200}, statuses
        before = resident_megabytes(pid)
        most, ended = [before], threading.Event()

        def watch() -> None:
            while not ended.wait(0.05):
                most[0] = max(most[0], resident_megabytes(pid))

        watcher = threading.Thread(target=watch)
        watcher.start()
        start = time.monotonic()
        uploads = hostile_uploads.uploads(good, _NUM_UPLOADS.value)
        answers = list(clients.map(functools.partial(_timed, port), uploads))
        seconds = time.monotonic() - start
        ended.set()
        watcher.join()
    _print_answers(answers)
    started = time.monotonic()
    status = hostile_uploads.post(port, "/v1/search", good[0])
    print(f"{len(answers)} uploads in {seconds:.0f} s; memory before {before} MB, at most {most[0]} MB "
          f"({most[0] - before:+}), after {resident_megabytes(pid)} MB; a good search then: {status} after "
          f"{time.monotonic() - started:.2f} s")


def _print_answers(answers: list[tuple[str, int, float]]) -> None:
    by_kind = collections.defaultdict(list)
    for kind, status, seconds in answers:
        by_kind[kind].append((status, seconds))
    for kind, found in by_kind.items():
        counts = collections.Counter(status for status, _ in found)
        wrong = [status for status in counts if not (400 <= status < 500 or status == LEFT or (
            kind.startswith(_MAY_BE_GOOD) and status in (200, 201, 202)))]
        slowest = max(seconds for _, seconds in found)
        said = ", ".join(f"{'left' if status == LEFT else status} x {count}" for status, count in
                         sorted(counts.items()))
        print(f"{kind}: {said}; slowest {slowest:.1f} s{' WRONG' if wrong or slowest > 10 else ''}")


def _timed(port: int, upload: hostile_uploads.Upload) -> tuple[str, int, float]:
    start = time.monotonic()
    status = upload.send(port)
    return upload.kind, status, time.monotonic() - start


if __name__ == "__main__":
    command_line.run(main)
