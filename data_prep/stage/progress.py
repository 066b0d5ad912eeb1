"""What the terminal says of work that goes on: headlines of stages, bars with a rate and the time left."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

import rich.console
from rich import progress

_Item = TypeVar("_Item")


@contextlib.contextmanager
def stage(title: str) -> Iterator[None]:
    """Prints a headline before the block and its seconds after it."""
    console = rich.console.Console()
    console.rule(title)
    started = time.monotonic()
    yield
    console.print(f"{title}: {time.monotonic() - started:.0f} s")


def bar(unit: str = "images") -> progress.Progress:
    """A bar on stderr that shows how many are done, the rate and the time left; nothing if not a terminal.

    Args:
        unit: what is counted, in the plural; "bytes" are shown as MB and GB.
    """
    counts = ((progress.DownloadColumn(), progress.TransferSpeedColumn()) if unit == "bytes" else
              (progress.MofNCompleteColumn(), _Rate(unit)))
    shown = os.isatty(2)
    return progress.Progress("[progress.description]{task.description}", progress.BarColumn(), *counts,
                             progress.TimeRemainingColumn(), disable=not shown,
                             console=rich.console.Console(stderr=True, quiet=not shown))


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
