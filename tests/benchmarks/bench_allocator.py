"""A training step with freed memory kept, as every script keeps it, against one as glibc does it by itself.

    python -m tests.benchmarks.bench_allocator

MobileNetV2, 64 images of 128 x 128 pixels, random weights; each way in a process of its own. Prints seconds a
step, seconds of the processors in the program and in the system, pages handed out, the most memory held, and
the ratio of the first two. Two minutes.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time

from absl import flags

from data_prep.stage import allocator, command_line

_STEPS = flags.DEFINE_integer("steps", 10, "Steps that are timed.")
_WAY = "ALLOCATOR_OF_BENCHMARK"  # set in the processes that this one starts


def _measure() -> None:
    if os.environ[_WAY] == "kept":
        allocator.keep_freed_memory()
    import keras
    import numpy as np

    model = keras.applications.MobileNetV2(weights=None, input_shape=(128, 128, 3), classes=64)
    model.compile("sgd", "sparse_categorical_crossentropy")
    images = np.random.default_rng(0).random((64, 128, 128, 3), np.float32)
    labels = np.arange(64)
    model.train_on_batch(images, labels)
    before, started = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    steps = int(sys.argv[1])
    for _ in range(steps):
        model.train_on_batch(images, labels)
    seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF)
    print(seconds / steps, (after.ru_utime - before.ru_utime) / steps,
          (after.ru_stime - before.ru_stime) / steps, (after.ru_minflt - before.ru_minflt) / steps,
          after.ru_maxrss / 1e6)


def main(_: list[str]) -> None:
    taken = {}
    for way in ("given back", "kept"):
        done = subprocess.run([sys.executable, "-m", "tests.benchmarks.bench_allocator", str(_STEPS.value)],
                              env={**os.environ, _WAY: way}, check=True, stdout=subprocess.PIPE, text=True)
        taken[way] = [float(part) for part in done.stdout.splitlines()[-1].split()]
        seconds, user, system, faults, memory = taken[way]
        print(f"freed memory {way}: {seconds:.2f} s a step, processors {user:.2f} s in the program and "
              f"{system:.2f} s in the system, {faults:,.0f} pages handed out, {memory:.2f} GB at most")
    plain, kept = taken.values()
    print(f"kept against given back: {kept[0] / plain[0]:.2f} of the seconds, "
          f"{(kept[1] + kept[2]) / (plain[1] + plain[2]):.2f} of those of the processors")


if __name__ == "__main__":
    if _WAY in os.environ:
        _measure()
    else:
        command_line.run(main)
