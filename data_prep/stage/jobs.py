"""Runs a function over many items as an Apache Beam pipeline: in this process, or on a cluster.

The items are names, the results small files in one folder that the driver and all workers see, so that one
code serves every runner: nothing large goes through Beam, and nothing is shuffled. An item is to be coarse,
a shard rather than an image: Beam's cost is per item, and per job about 0.4 s.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from rich import console, progress

from data_prep.stage import files
from data_prep.stage.settings import check_fields, setting

EMBEDDED = "embedded"
_FN_API_RUNNER = "apache_beam.runners.portability.fn_api_runner.FnApiRunner"  # DirectRunner may download one
_FAILURE = ".failure"  # file in the folder of results: its presence makes every worker leave off
_ERRORS = {"ValueError": ValueError, "OSError": OSError}
_POLL_SECONDS = 0.2
_IMAGES_FOR_PROCESSES = 100_000
_pool: Any = None  # of processes, while an embedded job has one
_working = threading.Condition()  # guards the number below
_num_working = 0  # items at work in this process


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
        title: for the progress bar, which is shown when stderr is a terminal.
        function: picklable; takes an item, returns what JSON can hold.
        items: unique names that can serve as file names.
        results_dir: folder for the results, <item>.json each, on a file system that all workers share.
        config: where to run.
        sizes: images in each item, for the progress bar.
        on_result: called here with each item and its result as they come; an error it raises ends the job.

    Raises:
        ValueError, OSError: the first that the function or `on_result` raised; the other items leave off.
    """
    os.makedirs(results_dir, exist_ok=True)
    for name in (_FAILURE, *(_result_name(item) for item in items)):
        with contextlib.suppress(FileNotFoundError):
            os.remove(os.path.join(results_dir, name))
    if not items:
        return {}
    with _watching(title, items, results_dir, sizes, on_result), _processes(config, sum(sizes)):
        try:
            _run_pipeline(functools.partial(_run_item, function, results_dir), items, config)
        except BaseException as error:
            _leave_off(results_dir, error)
            with _working:  # what this process has at work must not write on after the job has ended
                _working.wait_for(lambda: _num_working == 0)
            raise
    return {item: _read_result(results_dir, item) for item in items}


def check_not_stopped(results_dir: str) -> None:
    """To be called now and then in a long item: raises `Stopped` if the job is to leave off."""
    if os.path.exists(os.path.join(results_dir, _FAILURE)):
        raise Stopped


class Stopped(Exception):
    """Another item failed, or Ctrl-C came."""


def _run_item(function: Callable[[str], Any], results_dir: str, item: str) -> None:
    try:
        with _at_work():
            check_not_stopped(results_dir)
            result = function(item) if _pool is None else _pool.apply(function, (item,))
            files.write_json(os.path.join(results_dir, _result_name(item)), result)
    except Stopped:
        pass
    except (ValueError, OSError) as error:
        _leave_off(results_dir, error)


@contextlib.contextmanager
def _at_work() -> Iterator[None]:
    global _num_working
    with _working:
        _num_working += 1
    try:
        yield
    finally:
        with _working:
            _num_working -= 1
            _working.notify_all()


def _run_pipeline(function: Callable[[str], None], items: Sequence[str], config: JobConfig) -> None:
    beam, pipeline_options = _import_beam()
    options = [f"--runner={config.runner}", *config.runner_options]
    if config.runner == EMBEDDED:
        options = [f"--runner={_FN_API_RUNNER}", "--direct_running_mode=multi_threading",
                   f"--direct_num_workers={config.num_workers or num_processors()}"]
    with beam.Pipeline(options=pipeline_options.PipelineOptions(options)) as pipeline:
        # Without the reshuffle all items would go to one worker, as the one bundle of Create.
        pipeline | beam.Create(list(items)) | beam.Reshuffle() | beam.Map(function)


@contextlib.contextmanager
def _processes(config: JobConfig, num_images: int) -> Iterator[None]:
    """For a large embedded job a process behind each of its threads.

    Threads share Python's lock, which costs a third of the speed of building shards, but they start at once;
    processes first import for some five seconds what they work with. Beam's own mode of many processes does
    the same, and fills the screen with the log of each.
    """
    global _pool
    if config.runner != EMBEDDED or num_images < _IMAGES_FOR_PROCESSES:
        yield
        return
    context = multiprocessing.get_context("spawn")  # a fork would inherit the locks of Beam's threads
    with context.Pool(config.num_workers or num_processors(), signal.signal,
                      (signal.SIGINT, signal.SIG_IGN)) as _pool:  # Ctrl-C is for the parent, who tells them
        try:
            yield
        finally:
            _pool = None


def _import_beam() -> tuple[Any, Any]:
    """Apache Beam: two seconds that --help and an early error need not wait for."""
    logging.disable(logging.WARNING)  # it warns of cloud libraries that nobody asked for
    try:
        import apache_beam
        from apache_beam.options import pipeline_options
    finally:
        logging.disable(logging.NOTSET)
    logging.getLogger("apache_beam").setLevel(logging.WARNING)  # else twenty lines about its channels
    return apache_beam, pipeline_options


@contextlib.contextmanager
def _watching(title: str, items: Sequence[str], results_dir: str, sizes: Sequence[int],
              on_result: Callable[[str, Any], None] | None) -> Iterator[None]:
    """Looks for results from a thread of its own; at the end raises what stopped the job, if anything did."""
    sizes = sizes or [1] * len(items)
    waiting = dict(zip(items, sizes))
    finished = threading.Event()
    bar = progress.Progress("[progress.description]{task.description}", progress.BarColumn(),
                            progress.MofNCompleteColumn(), _Rate(), progress.TimeRemainingColumn(),
                            console=console.Console(stderr=True, quiet=not os.isatty(2)))
    row = bar.add_task(title, total=sum(sizes))

    def collect() -> None:
        names = set(os.listdir(results_dir))
        for item in [item for item in waiting if _result_name(item) in names]:
            bar.advance(row, waiting.pop(item))
            if on_result is not None:
                on_result(item, _read_result(results_dir, item))

    def watch() -> None:
        while not finished.wait(_POLL_SECONDS):
            try:
                collect()
            except Exception as error:
                _leave_off(results_dir, error)
                return

    with bar:
        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        except Exception:
            _raise_failure(results_dir)  # in place of Beam's long way of saying it
            raise
        finally:
            finished.set()
            watcher.join()
        _raise_failure(results_dir)
        collect()


class _Rate(progress.ProgressColumn):
    def render(self, task: progress.Task) -> str:
        return f"{task.finished_speed or task.speed or 0:,.0f}/s"


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


def _read_result(results_dir: str, item: str) -> Any:
    path = os.path.join(results_dir, _result_name(item))
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        raise OSError(f"Every worker must see the folder {results_dir}. Received: no {path} though the job "
                      "has ended.") from None
