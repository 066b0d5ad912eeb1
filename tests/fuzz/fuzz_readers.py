"""Reads damaged files of every kind that users exchange, each in a process of its own, and counts what comes.

    python -m tests.fuzz.fuzz_readers --files=2000

Prints a table: a row per kind of file. A file is read ok, or refused by one line that names it once; a
traceback, a crash, more than 10 seconds or more than 1 GiB is a fault, and the exit status is 1. Faults are
listed with the number by which `--targets=KIND --first=NUMBER --files=1` makes the file again. Half an hour
on two cores.
"""

from __future__ import annotations

import collections
import contextlib
import json
import multiprocessing
import os
import random
import re
import resource
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from concurrent import futures

from absl import app, flags

from data_prep.stage import command_line
from tests.fuzz.mutations import mutated
from tests.fuzz.targets import TARGETS, Pair

OUTCOMES = ("ok", "refused", "traceback", "crash", "slow", "big")
_FAULTS = OUTCOMES[2:]
_SECONDS = 10
_BYTES = 2**30
# HDF5 sets room for metadata aside as damage asks for, and touches none of it before the file's end.
_ALLOCATION = re.compile("allocation failed(?! for on disk image buffer)|nable to allocate|bad_alloc")

_FILES = flags.DEFINE_integer("files", 2000, "Damaged files of each kind.", lower_bound=1)
_TARGETS = flags.DEFINE_list("targets", list(TARGETS), "Kinds of files.")
_SEED = flags.DEFINE_integer("seed", 0, "Seed of the damage.")
_FIRST = flags.DEFINE_integer("first", 0, "Number of the first file of each kind.", lower_bound=0)
_JOBS = flags.DEFINE_integer("jobs", 2, "Kinds that are worked on at a time.", lower_bound=1)


def fuzz(name: str, numbers: range, seed: int) -> tuple[dict[str, int], list[str]]:
    """How often each of OUTCOMES came for a target, and lines on the faults.

    Raises:
        Exception: what the reader says of the files as they were written, if it does not take them.
    """
    counts: collections.Counter = collections.Counter()
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        pairs = TARGETS[name](folder)
        whole = {path: _read_bytes(path) for path, _ in pairs}
        for _, read in pairs:
            read()  # takes what is whole, and loads what the children need
        for number in numbers:
            path, _ = pair = pairs[number % len(pairs)]
            _write_bytes(path, mutated(whole[path], random.Random(f"{seed} {name} {number}")))
            outcome, text = _read_apart(pair)
            _write_bytes(path, whole[path])
            counts[outcome] += 1
            if outcome in _FAULTS:
                lines.append(f"{name} {number} ({os.path.basename(path)}): {outcome}: {text}")
    return dict(counts), lines


def _read_apart(pair: Pair) -> tuple[str, str]:
    """Reads a file in a child with limits; the outcome and what was said."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        with contextlib.suppress(BaseException):
            os.write(writing, json.dumps(_read_here(*pair)).encode()[:60_000])
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        said = pipe.read()
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        is_slow = number in (signal.SIGALRM, signal.SIGXCPU)
        return ("slow", f"over {_SECONDS} s") if is_slow else ("crash", f"signal {number}")
    return tuple(json.loads(said)) if said else ("crash", "ended without a word")


def _read_here(path: str, read: Callable[[], object]) -> tuple[str, str]:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    before = _virtual_bytes("VmSize")
    resource.setrlimit(resource.RLIMIT_AS, (before + _BYTES, before + _BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.alarm(_SECONDS)
    try:
        read()
    except BaseException as error:
        errors = list(_chain(error))
        if any(isinstance(cause, MemoryError) or _ALLOCATION.search(str(cause)) for cause in errors):
            return "big", command_line.one_line(error)
        line = command_line.one_line(error)  # as scripts say it
        names_it = os.path.basename(path) in line or os.path.dirname(path) in line
        if isinstance(error, (ValueError, OSError)) and names_it and line.count(path) < 2:
            return "refused", line
        return "traceback", traceback.format_exc()[-3000:]
    return "ok", ""


def _chain(error: BaseException | None):
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _virtual_bytes(name: str) -> int:
    with open("/proc/self/status", encoding="ascii") as file:
        return next(1024 * int(line.split()[1]) for line in file if line.startswith(f"{name}:"))


def _read_bytes(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _write_bytes(path: str, content: bytes) -> None:
    with open(path, "wb") as file:
        file.write(content)


def run(names: list[str], numbers: range, seed: int, jobs: int) -> list[str]:
    """Prints counts by target, from `jobs` processes beside this one; returns lines on the faults."""
    lines = []
    context = multiprocessing.get_context("spawn")
    with futures.ProcessPoolExecutor(jobs, context) as pool:
        running = {name: pool.submit(fuzz, name, numbers, seed) for name in names}
        for name, future in running.items():
            counts, found = future.result()
            lines += found
            cells = (name, *(str(counts.get(outcome, 0)) for outcome in OUTCOMES))
            print(f"| {' | '.join(cells)} |", flush=True)
            if found:
                print(*found, sep="\n", file=sys.stderr, flush=True)
    return lines


def main(_):
    unknown = set(_TARGETS.value) - set(TARGETS)
    if unknown:
        raise app.UsageError(f"--targets must be some of {', '.join(TARGETS)}. Received: {unknown}.")
    print("| file | " + " | ".join(OUTCOMES) + " |")
    print("|---" * (1 + len(OUTCOMES)) + "|")
    numbers = range(_FIRST.value, _FIRST.value + _FILES.value)
    lines = run(_TARGETS.value, numbers, _SEED.value, _JOBS.value)
    sys.exit(bool(lines))


if __name__ == "__main__":
    app.run(main)
