"""What the terminal says of the stages of an experiment."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import rich.console


@contextlib.contextmanager
def stage(title: str) -> Iterator[None]:
    """Prints a headline before the block and its seconds after it."""
    console = rich.console.Console()
    console.rule(title)
    started = time.monotonic()
    yield
    console.print(f"{title}: {time.monotonic() - started:.0f} s")
