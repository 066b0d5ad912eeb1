"""What processes take: run apart, with the time they take and the memory that is theirs."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

_LOOK_SECONDS = 0.2


class Taken(NamedTuple):
    """What a function took, and gave.

    Attributes:
        result: of the function.
        seconds: wall time.
        own: GB at most, together with the processes it started, that no file backs.
        mapped: GB at most of pages of files, which the system takes back when it needs them.
    """

    result: Any
    seconds: float
    own: float
    mapped: float


def measured(function: Callable, *arguments: Any) -> Taken:
    """Calls a picklable function in a new process."""
    context = multiprocessing.get_context("spawn")
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=_call, args=(sending, function, arguments))
    process.start()
    sending.close()
    most = [0.0, 0.0]
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(_LOOK_SECONDS):
            for place, gigabytes in enumerate(_memory(process.pid)):
                most[place] = max(most[place], gigabytes)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        result, seconds = receiving.recv()
    except EOFError as error:
        raise OSError(f"{function.__name__} must end well.") from error
    finally:
        ended.set()
        watcher.join()
        process.join()
    return Taken(result, seconds, *most)


def resident_megabytes(pid: int) -> int:
    """MB of memory that a process holds now."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS")) // 1024


def _call(sending: Any, function: Callable, arguments: tuple) -> None:
    start = time.perf_counter()
    result = function(*arguments)
    sending.send((result, time.perf_counter() - start))


def _memory(pid: int) -> tuple[float, float]:
    """GB of a process and all below it: own, and mapped of the one that has most."""
    own = mapped = 0.0
    for process in _below(pid):
        try:
            with open(f"/proc/{process}/status", encoding="ascii") as file:
                kilobytes = {name: int(rest.split()[0]) for name, _, rest in
                             (line.partition(":") for line in file) if name in ("RssAnon", "RssFile")}
        except (FileNotFoundError, ProcessLookupError):
            continue
        own += kilobytes.get("RssAnon", 0) / 1e6
        mapped = max(mapped, kilobytes.get("RssFile", 0) / 1e6)
    return own, mapped


def _below(pid: int) -> list[int]:
    found = [pid]
    for parent in found:
        task_dir = f"/proc/{parent}/task"
        for task in os.listdir(task_dir) if os.path.exists(task_dir) else ():
            try:
                with open(f"{task_dir}/{task}/children", encoding="ascii") as file:
                    found.extend(map(int, file.read().split()))
            except (FileNotFoundError, ProcessLookupError):
                continue
    return found
