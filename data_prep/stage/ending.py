"""How a script ends that is told to: by SIGTERM as by Ctrl-C, and within seconds whatever it is at."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any, NoReturn

STATUS = 128 + signal.SIGTERM
RUN_AGAIN = 75  # EX_TEMPFAIL of sysexits.h: try again
SIGNALS = ("none", "SIGUSR1", "SIGUSR2", "SIGHUP", "SIGXCPU")  # what may ask for an end besides SIGTERM
_SECONDS = 7.0  # given to the process to clean up; chosen below the ten that most managers of jobs wait
_SECONDS_TO_SAVE = 25.0  # to one that saves first; chosen below the 30 that Kubernetes and Slurm wait
_heeding: list[Heeded] = []  # blocks that this process is in, the innermost last


class Terminated(KeyboardInterrupt):
    """SIGTERM came. What cleans up after Ctrl-C cleans up after it."""


class RunAgain(Terminated):
    """The process has to end before its work is done, which goes on when it is run again."""


class Heeded:
    """What signals ask of a block that saves what it has before it ends.

    Attributes:
        signal: name of the one that came; empty: none.
    """

    def __init__(self):
        self.signal = ""
        self._is_held = False

    def hold(self) -> None:
        """From here on a signal is noted, and no more: the block asks for it."""
        self._is_held = True

    def release(self) -> None:
        """From here on a signal raises `RunAgain`; one that has come meanwhile does now."""
        self._is_held = False
        if self.signal:
            raise self.ended()

    @property
    def broke_off(self) -> bool:
        """Whether a signal has raised `RunAgain` at wherever the block was."""
        return bool(self.signal) and not self._is_held

    def ended(self, saved: str = "") -> RunAgain:
        """What is to be raised for the signal, of which another may have heard; `saved`: what was saved."""
        return RunAgain(f"Told to end by {self.signal or 'another worker'}{saved and f', {saved}'}")

    def hear(self, number: int, _: Any) -> None:
        """Handler of the signals."""
        if self.signal:  # a second one must not break off what the first began
            return
        self.signal = signal.Signals(number).name
        _silence_replicas()
        if not self._is_held:
            raise self.ended()


@contextlib.contextmanager
def heeded(also: str = "none") -> Iterator[Heeded]:
    """In the block SIGTERM, and a signal of SIGNALS, raise `RunAgain`, or are noted where it holds them.

    In a script whose block has not ended 25 s after the signal, the process ends with the status RUN_AGAIN.
    """
    block = Heeded()
    if threading.current_thread() is not threading.main_thread():
        yield block
        return
    numbers = [getattr(signal, name) for name in ("SIGTERM", also) if name != "none"]
    before = [signal.signal(number, block.hear) for number in numbers]
    _heeding.append(block)
    try:
        yield block
    except Exception as error:  # a library that the signal broke off may say so by an error of its own
        if block.broke_off:
            raise block.ended() from error
        raise
    finally:
        _heeding.remove(block)
        for number, handler in zip(numbers, before):
            signal.signal(number, handler)


@contextlib.contextmanager
def by_sigterm() -> Iterator[None]:
    """In the block SIGTERM raises `Terminated` in the main thread, and some seconds later ends the process.

    The main thread may be in a library that does not return, or what it cleans up may take long. A second
    thread hears of the signal by itself.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    sys.warnoptions.append("ignore:resource_tracker")  # of multiprocessing: it clears up, and tells of it
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    handler = signal.signal(signal.SIGTERM, _raise_terminated)
    wakeup = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    watcher = threading.Thread(target=_watch, args=(reader,), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(wakeup)
        signal.signal(signal.SIGTERM, handler)
        os.close(writer)
        watcher.join()
        os.close(reader)


def keep() -> None:
    """Takes SIGTERM back from a library that has set a handler below Python, as TensorFlow's clusters do."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGTERM))


@contextlib.contextmanager
def at_once(seconds: float) -> Iterator[None]:
    """In the block, where a library lets nothing of Python run, Ctrl-C and the end of these seconds end the
    process without a word.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGALRM)
    handlers = [signal.signal(number, signal.SIG_DFL) for number in numbers]
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in zip(numbers, handlers):
            signal.signal(number, handler)


def _raise_terminated(*_: Any) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not break off what the first began
    _silence_replicas()
    raise Terminated


def _silence_replicas() -> None:
    logging.getLogger("tensorflow").setLevel(logging.CRITICAL)  # they log what ends them as a fault


def _watch(reader: int) -> None:
    while signals := os.read(reader, 1):
        block = _heeding[-1] if _heeding else None
        if block is None and signal.SIGTERM in signals:
            time.sleep(_SECONDS)
            os._exit(STATUS)
        if block is not None and signal.Signals(signals[0]).name in ("SIGTERM", *SIGNALS):
            time.sleep(_SECONDS_TO_SAVE)
            sys.stderr.write(f"Told to end by {block.signal or 'a signal'}, and not done with it in time; "
                             "the same command goes on from what was saved last.\n")
            sys.stderr.flush()
            os._exit(RUN_AGAIN)
