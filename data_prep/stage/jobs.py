"""Runs a function over many items: on this machine by concurrent.futures, or on a cluster by Apache Beam.

The items are names, what comes of each is a small thing that JSON can hold. On a cluster it passes through a
file in one folder that the driver and all workers see: nothing large goes through Beam, and nothing is
shuffled. An item is to be coarse, a shard rather than an image. Beam is imported when a runner is named.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import logging
import os
import threading
from collections.abc import Callable, Sequence
from concurrent import futures
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from data_prep.stage import children, files, progress
from data_prep.stage.settings import check_fields, setting

EMBEDDED = "embedded"
_FAILURE = ".failure"  # file in the folder of results: its presence makes every worker leave off
_ERRORS = {"ValueError": ValueError, "OSError": OSError}  # that pass from a worker of a cluster to its driver
_LOOK_SECONDS = 0.2  # between two looks for results of a cluster
_LEAVE_SECONDS = 30  # that an ended job of a cluster is given to leave off
_IMAGES_FOR_PROCESSES = 100_000
@dataclasses.dataclass(frozen=True)
class JobConfig:
    """Where a job runs."""

    runner: str = setting(
        EMBEDDED, help="where to run: embedded, on this machine, or a Beam runner such as FlinkRunner, "
        "SparkRunner, DataflowRunner, PortableRunner; folders must then be seen by all workers")
    runner_options: tuple[str, ...] = setting(
        (), help="an option of the Beam runner, such as --flink_master=host:8081; to be repeated")
    num_workers: int = setting(
        0, help="threads of the embedded runner; 0: one per processor", range="[0, inf)")

    def __post_init__(self):
        check_fields(self)
        if self.runner == EMBEDDED and self.runner_options:
            raise ValueError("`runner_options` need a `runner` other than embedded. Received: "
                             f"runner_options={' '.join(self.runner_options)}.")


def num_processors() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run(title: str, function: Callable[[str], Any], items: Sequence[str], results_dir: str,
        config: JobConfig, sizes: Sequence[int] = (),
        on_result: Callable[[str, Any], None] | None = None) -> dict[str, Any]:
    """Calls `function` of each item; the results as a dict.

    Args:
        title: for the progress bar.
        function: picklable; takes an item, returns what JSON can hold.
        items: unique names that can serve as file names.
        results_dir: folder by which workers hear that they are to leave off, and where those of a cluster
            leave their results, <item>.json each, on a file system that all of them share.
        config: where to run.
        sizes: images in each item, for the progress bar.
        on_result: called here with each item and its result as they come; an error it raises ends the job.

    Raises:
        ValueError, OSError: the first that the function or `on_result` raised; the other items leave off.
        OSError: a worker process was killed.
    """
    os.makedirs(results_dir, exist_ok=True)
    for name in (_FAILURE, *(_result_name(item) for item in items)):
        with contextlib.suppress(FileNotFoundError):
            os.remove(os.path.join(results_dir, name))
    if not items:
        return {}
    size_of = dict(zip(items, sizes or [1] * len(items)))
    results = {}
    with progress.bar("images" if sizes else "items") as bar:
        row = bar.add_task(title, total=sum(size_of.values()))

        def take(item: str, result: Any) -> None:
            results[item] = result
            bar.advance(row, size_of[item])
            if on_result is not None:
                on_result(item, result)

        if config.runner == EMBEDDED:
            _run_here(function, items, results_dir, _executor(config, sum(sizes)), take)
        else:
            _run_on_beam(function, items, results_dir, config, take)
    return {item: results[item] for item in items}


def check_not_stopped(results_dir: str) -> None:
    """To be called now and then in a long item: raises `Stopped` if the job is to leave off."""
    if os.path.exists(os.path.join(results_dir, _FAILURE)):
        raise Stopped


class Stopped(Exception):
    """Another item failed, or Ctrl-C came."""


def _executor(config: JobConfig, num_images: int) -> futures.Executor:
    """Threads or, for a large job, processes.

    Threads share Python's lock, which costs a third of the speed of building shards, but they start at once;
    processes first import for some five seconds what they work with.
    """
    num_workers = config.num_workers or num_processors()
    if num_images < _IMAGES_FOR_PROCESSES:
        return futures.ThreadPoolExecutor(num_workers)
    return children.process_pool(num_workers)


def _run_here(function: Callable[[str], Any], items: Sequence[str], results_dir: str,
              executor: futures.Executor, take: Callable[[str, Any], None]) -> None:
    with executor:
        item_of = {executor.submit(_call, function, results_dir, item): item for item in items}
        try:
            for future in futures.as_completed(item_of):
                take(item_of[future], json.loads(future.result()))
        except BaseException as error:
            _leave_off(results_dir, error)
            executor.shutdown(cancel_futures=True)  # none may write on after the job has ended
            if isinstance(error, BrokenProcessPool):
                raise OSError("Worker processes must live until the job has ended. Received: one that was "
                              "killed, as the system does when memory runs short; finished work is kept."
                              ) from error
            raise


def _call(function: Callable[[str], Any], results_dir: str, item: str) -> str:
    """The result of an item as JSON: the same whatever runs the job."""
    check_not_stopped(results_dir)
    return json.dumps(function(item))


def _run_on_beam(function: Callable[[str], Any], items: Sequence[str], results_dir: str, config: JobConfig,
                 take: Callable[[str, Any], None]) -> None:
    waiting = set(items)

    def collect() -> None:
        for name in sorted(waiting.intersection(map(_item_of, os.listdir(results_dir)))):
            waiting.remove(name)
            take(name, _read_result(results_dir, name))

    try:
        job = _start_pipeline(functools.partial(_leave_result, function, results_dir), items, config)
        try:
            while not futures.wait([job], _LOOK_SECONDS).done:
                collect()
        except BaseException as error:
            _leave_off(results_dir, error)
            futures.wait([job], _LEAVE_SECONDS)
            raise
        job.result()
    except Exception:
        _raise_failure(results_dir)  # in place of Beam's long way of saying it
        raise
    _raise_failure(results_dir)
    collect()
    for item in sorted(waiting):
        _read_result(results_dir, item)


def _start_pipeline(function: Callable[[str], None], items: Sequence[str],
                    config: JobConfig) -> futures.Future:
    """Starts a Beam pipeline; what comes back is done when the pipeline has ended."""
    beam, pipeline_options = _import_beam()
    options = [f"--runner={config.runner}", *config.runner_options]
    pipeline = beam.Pipeline(options=pipeline_options.PipelineOptions(options))
    # Without the reshuffle all items would go to one worker, as the one bundle of Create.
    pipeline | beam.Create(list(items)) | beam.Reshuffle() | beam.Map(function)
    started = pipeline.run()  # here and not in the thread: some runners set handlers of signals
    ended: futures.Future = futures.Future()

    def wait() -> None:
        try:
            ended.set_result(started.wait_until_finish())
        except BaseException as error:
            ended.set_exception(error)

    threading.Thread(target=wait, daemon=True).start()  # Ctrl-C must not wait for a cluster that hangs
    return ended


def _import_beam() -> tuple[Any, Any]:
    logging.disable(logging.WARNING)  # it warns of cloud libraries that nobody asked for
    try:
        import apache_beam
        from apache_beam.options import pipeline_options
    finally:
        logging.disable(logging.NOTSET)
    logging.getLogger("apache_beam").setLevel(logging.WARNING)  # else twenty lines about its channels
    return apache_beam, pipeline_options


def _leave_result(function: Callable[[str], Any], results_dir: str, item: str) -> None:
    """What a worker of a cluster does with an item."""
    try:
        check_not_stopped(results_dir)
        files.write_json(os.path.join(results_dir, _result_name(item)), function(item))
    except Stopped:
        pass
    except (ValueError, OSError) as error:
        _leave_off(results_dir, error)


def _leave_off(results_dir: str, error: BaseException) -> None:
    """Makes all workers leave off; the first error counts."""
    path = os.path.join(results_dir, _FAILURE)
    if not os.path.exists(path):
        kind = next((name for name, known in _ERRORS.items() if isinstance(error, known)), "")
        with contextlib.suppress(OSError):  # a full disk must not hide that it is full
            files.write_json(path, {"type": kind, "message": str(error)})


def _raise_failure(results_dir: str) -> None:
    try:
        with open(os.path.join(results_dir, _FAILURE), encoding="utf-8") as file:
            failure = json.load(file)
    except FileNotFoundError:
        return
    if failure["type"]:
        raise _ERRORS[failure["type"]](failure["message"])


def _result_name(item: str) -> str:
    return f"{item}.json"


def _item_of(name: str) -> str:
    return name[:-len(".json")] if name.endswith(".json") else ""


def _read_result(results_dir: str, item: str) -> Any:
    path = os.path.join(results_dir, _result_name(item))
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        files.check_not_full(results_dir)  # a worker cannot say on a full disk that it is full
        raise OSError(f"Every worker must see the folder {results_dir}. Received: no {path} though the job "
                      "has ended.") from None
