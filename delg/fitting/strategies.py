"""How a training is spread over devices and machines."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable

import tensorflow as tf
from absl import logging

from data_prep.stage import ending
from data_prep.stage.settings import require_member
from delg.fitting import rendezvous
from delg.settings.kinds import STRATEGIES


def build_strategy(name: str, startup_timeout: float) -> tf.distribute.Strategy:
    """The tf.distribute strategy of a name of STRATEGIES.

    Args:
        name: of STRATEGIES.
        startup_timeout: seconds that other machines have to start.

    Raises:
        ValueError: unknown name, or multi_worker without a TF_CONFIG that names all workers and this one.
        TimeoutError: other machines have not started.
    """
    require_member("strategy", name, STRATEGIES)
    return STRATEGIES[name](startup_timeout)


def one_device(_: float) -> tf.distribute.Strategy:
    """The first accelerator, or the processor."""
    return tf.distribute.get_strategy()


def mirrored(_: float) -> tf.distribute.Strategy:
    """All accelerators of this machine, or all logical processors."""
    accelerators = [device.name for device in tf.config.list_logical_devices("GPU")]
    if accelerators:
        return tf.distribute.MirroredStrategy(accelerators)
    # The collective operations of processors fail on the second strategy that a process makes.
    processors = [device.name for device in tf.config.list_logical_devices("CPU")]
    logging.warning("`strategy=mirrored` finds no accelerator here and trains on the processor.")
    return tf.distribute.MirroredStrategy(processors, tf.distribute.ReductionToOneDevice())


def multi_worker(startup_timeout: float) -> tf.distribute.Strategy:
    """Those of all machines in TF_CONFIG, once all of them have started.

    Raises:
        ValueError: it does not name all workers and this one, or another cluster than that of the others.
        TimeoutError: others have not started within `startup_timeout` seconds.
    """
    tasks, own = _read_cluster(os.environ.get("TF_CONFIG", ""))
    rendezvous.meet(tasks, own, startup_timeout)
    tf.get_logger().setLevel("WARNING")  # else each kind of sum over the machines is told of, often twice
    with ending.at_once(startup_timeout):  # TensorFlow holds Python's lock until its machines have met too
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    ending.keep()
    return strategy


def tpu(_: float) -> tf.distribute.Strategy:
    """The TPU that TPU_NAME or the machine names."""
    resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu=os.environ.get("TPU_NAME", ""))
    tf.config.experimental_connect_to_cluster(resolver)
    tf.tpu.experimental.initialize_tpu_system(resolver)
    return tf.distribute.TPUStrategy(resolver)


def _read_cluster(tf_config: str) -> tuple[dict[str, str], str]:
    """Name and address of all, the chief of them first, and the name of this one.

    Refuses what TensorFlow would take for a cluster of one: each would train alone.

    Source of the form: tf.distribute.cluster_resolver.TFConfigClusterResolver.
    """
    try:
        content = json.loads(tf_config)
        cluster, task = content["cluster"], content["task"]
        addresses, index = cluster[task["type"]], task["index"]
        tasks = {f"{kind} {number}": address for kind in sorted(cluster)
                 for number, address in enumerate(cluster[kind])}
        is_whole = (all(isinstance(known, list) for known in cluster.values())
                    and len(set(tasks.values())) == len(tasks)
                    and all(re.fullmatch(r"\S+:[0-9]+", address) for address in tasks.values())
                    and type(index) is int and 0 <= index < len(addresses))
    except (ValueError, KeyError, TypeError, AttributeError):
        is_whole = False
    if not is_whole:
        raise ValueError("`strategy=multi_worker` needs the environment variable TF_CONFIG with the "
                         "addresses of all workers and the task of this one, such as "
                         '{"cluster": {"worker": ["HOST:PORT", ...]}, '
                         '"task": {"type": "worker", "index": 0}}. '
                         f'Received: {tf_config or "none"}.')
    return tasks, f"{task['type']} {index}"


def check_batch_size(strategy: tf.distribute.Strategy, batch_size: int, parts: int = 1) -> None:
    """Checks that replicas get equal shares of a batch, and equal parts of their shares: otherwise the loss
    is no mean over the batch.

    Raises:
        ValueError: they do not.
    """
    if batch_size % (strategy.num_replicas_in_sync * parts):
        times = " times `accumulate_steps`" if parts > 1 else ""
        received = f", accumulate_steps={parts}" if parts > 1 else ""
        raise ValueError(f"`batch_size` must be a multiple of the number of replicas{times}. Received: "
                         f"batch_size={batch_size}, {strategy.num_replicas_in_sync} replicas{received}.")


def shared_batches(batches: Callable[[int, int, int, int], tf.data.Dataset], start_step: int,
                   batch_size: int) -> Iterable:
    """Batches to fit to under the present strategy; of several workers each reads its share of every epoch.

    Args:
        batches: from start step, batch size, index of this worker and number of workers to what it reads.
        start_step: steps of the training that are done.
        batch_size: images per step, over all replicas.
    """
    strategy = tf.distribute.get_strategy()
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return batches(start_step, batch_size, 0, 1)

    def of_worker(context: tf.distribute.InputContext) -> tf.data.Dataset:
        num_workers = context.num_input_pipelines
        of_replica = context.get_per_replica_batch_size(batch_size)
        dataset = batches(start_step, batch_size // num_workers, context.input_pipeline_id, num_workers)
        if of_replica * num_workers == batch_size:
            return dataset
        # Each replica takes a batch of its own from here.
        return dataset.flat_map(lambda *batch: tf.data.Dataset.from_tensor_slices(tf.nest.map_structure(
            lambda values: tf.reshape(values, [-1, of_replica, *values.shape[1:]]), batch)))

    return strategy.distribute_datasets_from_function(of_worker)
