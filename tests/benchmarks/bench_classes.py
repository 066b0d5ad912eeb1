"""Memory and processor time of a training step against the number of classes, each classifier.

    python -m tests.benchmarks.bench_classes

ResNet-50, batches of 32 random images of 32 pixels: so small that the classifiers weigh as much as they can.
Each row is a process of its own: its peak of memory beyond that of 100 classes, in bytes for each byte of
the weights of the classes, and the processor time of a step, also against 100 classes. Ten minutes, 10 GB.
"""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import resource
import time

import keras
import numpy as np
import tensorflow as tf
from absl import flags

from data_prep.stage import allocator, command_line
from delg.networks.delg import build_delg
from delg.settings.training import TrainConfig
from delg.training.objective import compile_delg, with_targets

_FEW = 100
_PAIRS = flags.DEFINE_list(
    "pairs", [f"full:{_FEW}", "full:81313", f"sampled:{_FEW}", "sampled:81313", "sampled:203094"],
    "classifier:classes of each row; with 100 classes what later rows of their classifier are compared to.")
_RATE = flags.DEFINE_float("negative_sample_rate", 0.1, "Share of the classes that a step looks at.")
_IMAGE_SIZE = flags.DEFINE_integer("image_size", 32, "Pixels.")
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 32, "Images.")
_PARTS = flags.DEFINE_integer("accumulate_steps", 1, "Parts that a batch is computed in.")
_STEPS = flags.DEFINE_integer("steps", 10, "Steps of each row, the first of which does not count.")


class _Times(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.ends: list[float] = []

    def on_train_batch_end(self, batch, logs=None):
        self.ends.append(time.process_time())


def measure(classifier: str, num_classes: int, rate: float, image_size: int, batch_size: int,
            num_parts: int, num_steps: int) -> tuple[float, int, int]:
    """Processor seconds of a step (median), peak of memory and weights of the classes, both in bytes."""
    config = TrainConfig("shards", "model_dir", classifier=classifier, negative_sample_rate=rate,
                         batch_size=batch_size, accumulate_steps=num_parts)
    model = build_delg(config.model_config(num_classes), by_rows=classifier != "full")
    fitted = compile_delg(model, config)
    generator = np.random.default_rng(0)
    images = generator.integers(0, 255, (batch_size, image_size, image_size, 3), dtype=np.uint8)
    labels = generator.integers(0, num_classes, batch_size, dtype=np.int32)
    batches = with_targets(tf.data.Dataset.from_tensors((images, labels)).repeat(num_steps), config)
    times = _Times()
    fitted.fit(batches, callbacks=[times], verbose=0)
    num_bytes = sum(4 * weight.shape.num_elements() for name in ("global_cosines", "attention_logits")
                    for weight in model.get_layer(name).weights)
    peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(np.median(np.diff(times.ends))), peak, num_bytes


def main(_: list[str]) -> None:
    few = {}
    print("| classifier | classes | their weights | peak | for each byte | step | against 100 classes |")
    print("|---|---|---|---|---|---|---|")
    for classifier, number in (pair.split(":") for pair in _PAIRS.value):
        arguments = (classifier, int(number),
                     *(flag.value for flag in (_RATE, _IMAGE_SIZE, _BATCH_SIZE, _PARTS, _STEPS)))
        with concurrent.futures.ProcessPoolExecutor(
                1, multiprocessing.get_context("spawn"), allocator.keep_freed_memory) as pool:
            seconds, peak, num_bytes = pool.submit(measure, *arguments).result()
        if int(number) == _FEW:
            few[classifier] = seconds, peak, num_bytes
        base = few.get(classifier)
        more = base and num_bytes > base[2]
        share = f"{(peak - base[1]) / (num_bytes - base[2]):.2f}" if more else ""
        ratio = f"{seconds / base[0]:.2f}" if more else ""
        print(f"| {classifier} | {int(number):,} | {num_bytes / 1e6:,.0f} MB | {peak / 1e6:,.0f} MB "
              f"| {share} | {seconds:.2f} s | {ratio} |", flush=True)


if __name__ == "__main__":
    command_line.run(main)
