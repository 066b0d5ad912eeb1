"""Images per minute and core of the landmark world at 256 px, against the target of 300.

    python -m tests.benchmarks.bench_world

Takes about half a minute of one core, the making of the buildings included, as in a real run. The rate is
by processor time, so that other jobs on the machine do not matter; the clock's time is printed too.
"""

from __future__ import annotations

import tempfile
import time

import cv2

from data_prep.world.config import WorldConfig
from data_prep.world.landmark_world import make_world

TARGET = 300  # images a minute


def main() -> None:
    cv2.setNumThreads(1)
    train = {"num_landmarks": 6, "views_per_landmark": 40, "num_eval_landmarks": 0}
    evaluation = {"num_landmarks": 0, "num_eval_landmarks": 12, "num_distractors": 200}
    cases = (("training views", train, 6 * 40), ("evaluation set", evaluation, 12 * (7 + 2) + 200))
    for case, settings, images in cases:
        with tempfile.TemporaryDirectory() as folder:
            config = WorldConfig(folder, num_workers=1, **settings)
            begun, busy = time.perf_counter(), time.process_time()
            make_world(config)
            seconds, busy = time.perf_counter() - begun, time.process_time() - busy
        rate = 60 * images / busy
        print(f"{case}: {images} images of {config.image_size} px, {rate:.0f} a minute per core, "
              f"{rate / TARGET:.1f} times the target")
        print(f"    {busy:.1f} s of processor time, {seconds:.1f} s by the clock")


if __name__ == "__main__":
    main()
