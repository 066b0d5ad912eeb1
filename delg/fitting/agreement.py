"""What the workers of one training tell each other; every worker has to ask at the same point of its work."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from data_prep.stage import ending, files

_SEEN_SECONDS = 10.0  # that a network file system has to show a new file to other machines; chosen
_ASK_SECONDS = 2.0  # between two of the questions that workers ask each other as they train; chosen
_SHOWN = 5  # differences that a message names
# What TensorFlow says where another worker has ended or does not answer.
_LOST = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError,
         tf.errors.DeadlineExceededError)
_ABORTED = "Collective ops is aborted"  # in errors of any kind


def workers() -> tuple[list[str], int]:
    """Names of the workers that train together, the chief first, and the place of this one among them."""
    strategy = tf.distribute.get_strategy()
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return ["worker 0"], 0
    resolver = strategy.cluster_resolver
    names = [f"{kind} {index}" for kind, addresses in sorted(resolver.cluster_spec().as_dict().items())
             for index in range(len(addresses))]
    return names, names.index(f"{resolver.task_type} {resolver.task_id}")


def total(values: Sequence[float]) -> np.ndarray:
    """Sum over all workers of the numbers that each gives; float32, exact for whole numbers below 2^24."""
    own = np.asarray(values, np.float32)
    names, _ = workers()
    if len(names) == 1:
        return own
    num_replicas = tf.distribute.get_strategy().num_replicas_in_sync // len(names)  # each gives them
    return _sum(tf.constant(own)).numpy() / num_replicas


@tf.function
def _sum(values: tf.Tensor) -> tf.Tensor:
    strategy = tf.distribute.get_strategy()  # a process makes one of several workers
    of_replicas = strategy.run(lambda values: values, (values,))
    return strategy.reduce(tf.distribute.ReduceOp.SUM, of_replicas, axis=None)


def of_all(value: Any) -> dict[str, Any]:
    """From the name of each worker to the value that it gives, which JSON can hold."""
    names, own = workers()
    text = np.frombuffer(json.dumps(value).encode(), np.uint8)
    lengths = np.zeros(len(names))
    lengths[own] = len(text)
    lengths = total(lengths).astype(int)
    table = np.zeros((len(names), lengths.max()))
    table[own, :len(text)] = text
    table = total(table.ravel()).reshape(table.shape).round().astype(np.uint8)
    return {name: json.loads(row[:length].tobytes()) for name, row, length in zip(names, table, lengths)}


def steps_between(seconds: float) -> int:
    """Steps of this many seconds after which workers ask each other again; each time they wait for all."""
    return int(np.clip(_ASK_SECONDS / max(seconds, 1e-6), 1, 1000)) if len(workers()[0]) > 1 else 1


def check_same(values: Mapping[str, Any]) -> None:
    """Checks that all workers give the same values.

    Raises:
        ValueError: they do not; the message, the same on all, says which differs on which worker.
    """
    found = of_all(dict(values))
    first, *others = found
    differing = [f"{name}: {found[first].get(name)!r} on {first}, {found[other].get(name)!r} on {other}"
                 for other in others for name in {**found[first], **found[other]}
                 if found[first].get(name) != found[other].get(name)]
    if differing:
        more = f" and {len(differing) - _SHOWN} more" if len(differing) > _SHOWN else ""
        raise ValueError("All workers must train alike: the same settings on the same images, from the same "
                         f"step. Received: {'; '.join(differing[:_SHOWN])}{more}.")


def check_shared(model_dir: str) -> None:
    """Checks that all workers see what the first of them writes into a folder.

    Raises:
        ValueError: some do not; the message is the same on all.
    """
    names, own = workers()
    if len(names) == 1:
        return
    with contextlib.ExitStack() as stack:
        mark = ""
        if own == 0:
            mark = stack.enter_context(files.temporary_beside(os.path.join(model_dir, "shared")))
            with open(mark, "w", encoding="utf-8"):
                pass
        mark = os.path.join(model_dir, of_all(os.path.basename(mark))[names[0]])
        end = time.monotonic() + _SEEN_SECONDS
        while not (is_seen := os.path.exists(mark)) and time.monotonic() < end:
            time.sleep(0.1)
        found = of_all([is_seen, socket.gethostname(), os.path.abspath(model_dir)])
    blind = [f"{name} on {host} does not in {folder}" for name, (sees, host, folder) in found.items()
             if not sees]
    if blind:
        _, host, folder = found[names[0]]
        raise ValueError("`model_dir` must be one folder that all workers share, as on a network file "
                         f"system. Received: what {names[0]} on {host} writes in {folder} "
                         f"{'; '.join(blind)} see.")


@contextlib.contextmanager
def losing_workers() -> Iterator[None]:
    """In the block errors of TensorFlow that come of a worker that has ended become `ending.RunAgain`."""
    try:
        yield
    except tf.errors.OpError as error:
        reasons = [line for line in str(error.message).splitlines() if _ABORTED in line]
        if len(workers()[0]) == 1 or not (reasons or isinstance(error, _LOST)):
            raise
        reason = reasons[0] if reasons else type(error).__name__
        raise ending.RunAgain(f"Another worker has ended ({reason}), so that all of them have to be run "
                              "again") from error
