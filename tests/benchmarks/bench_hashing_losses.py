"""The batch-all triplet loss against a loop over all triplets in Python.

    python -m tests.benchmarks.bench_hashing_losses

256 codes of 64 bits of 64 classes; the loop is the arrangement of the re-implemented system, which lists the
triplets of a batch in Python (here with numpy distances, which flatters it). Prints both times, their ratio,
and the difference of the losses. Half a minute.
"""

from __future__ import annotations

import itertools
import time

import numpy as np
import tensorflow as tf
from absl import flags

from data_prep.stage import command_line
from hashing.training.losses.code_losses import batch_all_triplet_loss

_BATCH_SIZE = flags.DEFINE_integer("batch_size", 256, "Codes.")
_CODE_SIZE = flags.DEFINE_integer("code_size", 64, "Bits.")
_IMAGES_PER_CLASS = flags.DEFINE_integer("images_per_class", 4, "Codes of each class.")


def enumerated_loss(labels: np.ndarray, codes: np.ndarray, margin: float) -> float:
    """Mean hinge over all triplets, anchors earlier in the batch than their positives."""
    total, count = 0.0, 0
    for anchor, positive in itertools.combinations(range(len(labels)), 2):
        if labels[anchor] != labels[positive]:
            continue
        near = np.sum((codes[anchor] - codes[positive]) ** 2)
        for negative in range(len(labels)):
            if labels[negative] != labels[anchor]:
                far = np.sum((codes[anchor] - codes[negative]) ** 2)
                total += max(0.0, near - far + margin)
                count += 1
    return total / count


def main(_: list[str]) -> None:
    generator = np.random.default_rng(0)
    size, margin = _BATCH_SIZE.value, _CODE_SIZE.value / 4
    labels = generator.permutation(np.arange(size) // _IMAGES_PER_CLASS.value)
    codes = np.tanh(generator.standard_normal((size, _CODE_SIZE.value))).astype(np.float32)
    loss = tf.function(lambda labels, codes: batch_all_triplet_loss(
        labels, codes, margin, active_only=False, mirrored=False))
    held = tf.constant(labels), tf.constant(codes)
    found = float(loss(*held))
    seconds = []
    for _ in range(10):
        started = time.perf_counter()
        loss(*held).numpy()
        seconds.append(time.perf_counter() - started)
    started = time.perf_counter()
    expected = enumerated_loss(labels, codes, margin)
    slow = time.perf_counter() - started
    fast = float(np.median(seconds))
    print(f"{size} x {_CODE_SIZE.value} bits: {1000 * fast:.1f} ms, enumerated in Python "
          f"{1000 * slow:.0f} ms: {slow / fast:.0f} times faster (aim 50)")
    print(f"losses {found:.6f} and {expected:.6f}, relative difference {abs(found / expected - 1):.1e} "
          "(aim 1e-5)")


if __name__ == "__main__":
    command_line.run(main)
