"""What the terminal says of work that goes on: headlines of stages, bars with a rate and the time left."""

from __future__ import annotations

import contextlib
import datetime
import os
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

import rich.console
import rich.filesize
from rich import progress

_Item = TypeVar("_Item")
_LINE_SECONDS = 30.0


@contextlib.contextmanager
def stage(title: str) -> Iterator[None]:
    """Prints a headline before the block and its seconds after it."""
    console = rich.console.Console()
    console.rule(title)
    started = time.monotonic()
    yield
    console.print(f"{title}: {time.monotonic() - started:.0f} s")


def bar(unit: str = "images") -> progress.Progress:
    """A bar on stderr that shows how many are done, the rate and the time left; not on a terminal, a line of
    that every half minute.

    Args:
        unit: what is counted, in the plural; "bytes" are shown as MB and GB.
    """
    if not os.isatty(2):
        return _Lines(unit)
    counts = ((progress.DownloadColumn(), progress.TransferSpeedColumn()) if unit == "bytes" else
              (progress.MofNCompleteColumn(), _Rate(unit)))
    return progress.Progress("[progress.description]{task.description}", progress.BarColumn(), *counts,
                             progress.TimeRemainingColumn(), console=rich.console.Console(stderr=True))


def track(items: Iterable[_Item], title: str, total: int | None = None,
          unit: str = "images") -> Iterator[_Item]:
    """The items, with a bar as of `bar` that goes on as they are taken; `total` where they have no length."""
    with bar(unit) as shown:
        yield from shown.track(items, total, description=title)


class _Rate(progress.ProgressColumn):
    def __init__(self, unit: str):
        super().__init__()
        self._unit = unit

    def render(self, task: progress.Task) -> str:
        return f"{task.finished_speed or task.speed or 0:,.1f} {self._unit}/s"


class _Lines(progress.Progress):
    """Counts like a bar, and shows nothing but a line of each task now and then."""

    def __init__(self, unit: str):
        super().__init__(disable=True, console=rich.console.Console(quiet=True),
                         speed_estimate_period=4 * _LINE_SECONDS)
        self._unit = unit
        self._ended = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._say, daemon=True).start()

    def stop(self) -> None:
        self._ended.set()

    def _say(self) -> None:
        while not self._ended.wait(_LINE_SECONDS):
            for task in self.tasks:
                if not task.finished:
                    sys.stderr.write(f"{self._line(task)}\n")
                    sys.stderr.flush()

    def _line(self, task: progress.Task) -> str:
        done = task.completed
        rate = task.speed or done / max(task.elapsed or 0.0, 1e-9)
        if self._unit == "bytes":
            counts, speed = (rich.filesize.decimal(int(number)) for number in (done, rate))
            total = "" if task.total is None else f" of {rich.filesize.decimal(int(task.total))}"
        else:
            counts, speed = f"{done:,.0f}", f"{rate:,.1f} {self._unit}"
            total = f" {self._unit}" if task.total is None else f" of {task.total:,.0f} {self._unit}"
        left = ""
        if task.total is not None and rate:
            left = f", {datetime.timedelta(seconds=int((task.total - done) / rate))} left"
        return f"{task.description}: {counts}{total}, {speed}/s{left}"
