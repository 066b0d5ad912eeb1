"""How worlds of any kind are written: one folder for one world, jobs in parallel, progress."""

from __future__ import annotations

import concurrent.futures
import json
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import cv2

from data_prep.stage import children, files, lock, progress
from data_prep.stage.stored_settings import defaults_of, differences

_Job = TypeVar("_Job")
_SETTINGS = "world.json"


def claim_folder(output_dir: str, settings: dict[str, Any], config_class: type) -> None:
    """Makes a folder that of the world of these settings, and writes them into world.json.

    Args:
        output_dir: made if absent.
        settings: all that decides the bytes of the world.
        config_class: of the settings; one that an older world lacks has had its default.

    Raises:
        ValueError: if the folder holds a world of other settings.
        OSError: if another process begins a world there.
    """
    path = os.path.join(output_dir, _SETTINGS)
    with lock.alone_in(output_dir):
        if not os.path.exists(path):
            files.write_json(path, settings)
            return
    with open(path, encoding="utf-8") as file:
        found = json.load(file)
    other = differences(found, settings, defaults_of(config_class))
    if other:
        raise ValueError(f"{output_dir} holds a world of other settings; give another --output_dir or delete "
                         "it. Differing: " + ", ".join(
                             f"{key}={found.get(key)} there, {settings.get(key)} asked" for key in other)
                         + ".")


def run(do: Callable[[_Job], None], jobs: Sequence[_Job], num_images: Sequence[int],
        num_workers: int) -> None:
    """Does the jobs, in this process or in others.

    Args:
        do: writes the images of a job; for several processes, one that can be pickled.
        jobs: to be done.
        num_images: of each job, for the progress bar.
        num_workers: processes; 0: one per core.
    """
    workers = min(num_workers or os.cpu_count() or 1, max(1, len(jobs)))
    with progress.bar() as bar:
        images = bar.add_task("World", total=sum(num_images))
        for place in _done(do, jobs, workers):
            bar.advance(images, num_images[place])


def _done(do: Callable[[_Job], None], jobs: Sequence[_Job], workers: int) -> Iterator[int]:
    """The place of each job when its files are written."""
    if workers <= 1:
        for place, job in enumerate(jobs):
            do(job)
            yield place
        return
    with children.process_pool(workers, cv2.setNumThreads, 1) as pool:  # they share the work
        running = {pool.submit(do, job): place for place, job in enumerate(jobs)}
        try:
            for future in concurrent.futures.as_completed(running):
                future.result()
                yield running[future]
        except BaseException as error:  # after Ctrl-C all processes end with this one
            pool.shutdown(wait=isinstance(error, Exception), cancel_futures=True)
            raise
