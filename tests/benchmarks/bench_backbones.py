"""Time an image takes in backbones of random weights, side by side in one run.

    python -m tests.benchmarks.bench_backbones --backbones=resnet50:512,dinov2_vits14:518

Each is a compiled graph from one square image to its maps, in float32 and rewritten to bfloat16, as
extraction calls it. Rounds alternate, so that other work on the machine falls on all alike; medians of the
clock and of processor time are printed, and their ratios to the first.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np
import tensorflow as tf
from absl import flags

from data_prep.stage import command_line
from delg.exports import graph_calls
from delg.networks.backbone import build_backbone
from delg.networks.batch_norm_folding import fold_batch_norm

_BACKBONES = flags.DEFINE_list("backbones", ["resnet50:512", "dinov2_vits14:518"],
                               "Names, each with the side of its images in pixels.")
_NUM_ROUNDS = flags.DEFINE_integer("num_rounds", 5, "Measurements of each.")


def graph(name: str, side: int, compute_dtype: str) -> Callable[[], object]:
    """What is timed."""
    model = fold_batch_norm(build_backbone(name, weights="none"))
    outputs = sorted(model.output)
    function = tf.function(lambda images: [model(images, training=False)[output] for output in outputs])
    function = function.get_concrete_function(tf.TensorSpec([1, None, None, 3], tf.float32))
    image = tf.constant(np.random.default_rng(0).uniform(0, 255, (1, side, side, 3)), tf.float32)
    run = graph_calls.rewritten(function, ["images"], outputs, compute_dtype)
    return lambda held=function: run({"images": image})  # the function must live as long as its calls


def main(_) -> None:
    ways = {}
    for entry in _BACKBONES.value:
        name, side = entry.split(":")
        for precision in ("float32", "bfloat16"):
            ways[f"{entry} {precision}"] = graph(name, int(side), precision)
            ways[f"{entry} {precision}"]()
    times = {way: [] for way in ways}
    for _round in range(_NUM_ROUNDS.value):
        for way, run in ways.items():
            clock, processor = time.perf_counter(), time.process_time()
            run()
            times[way].append((time.perf_counter() - clock, time.process_time() - processor))
    medians = {way: [1000 * statistics.median(part) for part in zip(*found)] for way, found in times.items()}
    first = next(iter(medians.values()))
    for way, found in medians.items():
        print(f"{way}: {found[0]:.0f} ms, {found[1]:.0f} ms of processor time; "
              f"{found[0] / first[0]:.2f} and {found[1] / first[1]:.2f} times the first")


if __name__ == "__main__":
    command_line.run(main)
