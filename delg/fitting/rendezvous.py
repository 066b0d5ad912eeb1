"""The machines of a cluster meet before TensorFlow starts on them: its own wait lets nothing of Python run.

The first listens at its port; the others come to it, again each second until it is there, and say which they
are. It tells them who is missing, and at last to go. Each message is a line of JSON: {"task", "tasks"} of one
that comes, and {"waiting"}, {"refused"} or {"go"} to it.
"""

from __future__ import annotations

import json
import select
import socket
import time
from collections.abc import Collection, Mapping
from typing import Any

from absl import logging

_SAY_SECONDS = 10.0  # between two lines on who is waited for
_RETRY_SECONDS = 1.0
_HELLO_SECONDS = 2.0  # for one that has connected to say who it is
_SILENCE = 3 * _SAY_SECONDS  # after which the first, which speaks every ten, is taken for dead
_LONGEST = 1 << 20  # bytes of a message


def meet(tasks: Mapping[str, str], own: str, timeout: float) -> None:
    """Returns when all of a cluster have started; says meanwhile who has not.

    Args:
        tasks: from the name of each, such as "worker 0", to its HOST:PORT. The first listens.
        own: name of this one.
        timeout: seconds to wait for the others.

    Raises:
        OSError: the first cannot listen at its port.
        TimeoutError: others have not come in time.
        ValueError: the first refuses this one: its `tasks` differ, or one of its name is there.
    """
    waiting = _Waiting(tasks, timeout)
    if own == waiting.first:
        _gather(tasks, own, waiting)
    else:
        _join(tasks, own, waiting)


class _Waiting:
    """How long is waited, and what is said of it."""

    def __init__(self, tasks: Mapping[str, str], timeout: float):
        self.first = next(iter(tasks))
        self._tasks, self._timeout = tasks, timeout
        self._end = time.monotonic() + timeout
        self._names: list[str] = []
        self._said_at = 0.0

    def left(self) -> float:
        """Seconds, above 0."""
        return max(self._end - time.monotonic(), 1e-3)

    def say(self, names: Collection[str], why: str = "") -> None:
        self._names, self._said_at = list(names), time.monotonic()
        logging.warning("Waiting for %s%s.", self._missing(), why and f" ({why})")

    def go_on(self, names: Collection[str], why: str = "") -> bool:
        """Whether something was said: at once of others than before, and every ten seconds.

        Raises:
            TimeoutError: the time is over.
        """
        is_due = self._names != list(names) or time.monotonic() >= self._said_at + _SAY_SECONDS
        if is_due:
            self.say(names, why)
        if time.monotonic() >= self._end:
            raise TimeoutError("All of a cluster must start within `startup_timeout` of "
                               f"{self._timeout:g} s. Received: no word of {self._missing()}"
                               f"{why and f' ({why})'}.")
        return is_due

    def _missing(self) -> str:
        return ", ".join(f"{name} at {self._tasks.get(name)}" for name in self._names)


def _gather(tasks: Mapping[str, str], own: str, waiting: _Waiting) -> None:
    present: dict[str, socket.socket] = {}
    try:
        with _listening(own, tasks[own]) as listener:
            while missing := [name for name in tasks if name not in (own, *present)]:
                if waiting.go_on(missing):
                    _send(present.values(), {"waiting": missing})
                ready = select.select([listener, *present.values()], [], [],
                                      min(waiting.left(), _RETRY_SECONDS))[0]
                for name in [name for name, connection in present.items() if connection in ready]:
                    present.pop(name).close()  # they say nothing after their first word: it has ended
                if listener in ready:
                    _admit(*listener.accept(), tasks, own, present)
        _send(present.values(), {"go": True})
    finally:
        for connection in present.values():
            connection.close()


def _listening(own: str, address: str) -> socket.socket:
    """A socket at the port of an address, on all networks of this machine, as TensorFlow listens later."""
    host, port = _host_and_port(address)
    try:
        return socket.create_server(("", port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, OverflowError) as error:
        raise OSError(f"{own} must be able to listen at its port in TF_CONFIG. "
                      f"Received: {address}, {error}.") from error


def _admit(connection: socket.socket, place: Any, tasks: Mapping[str, str], own: str,
           present: dict[str, socket.socket]) -> None:
    """Adds one that has connected to those that are present, if it is of this cluster."""
    connection.settimeout(_HELLO_SECONDS)
    try:
        with connection.makefile("rb") as lines:
            hello = _read(lines)
    except OSError:
        hello = {}
    name, refusal = str(hello.get("task")), ""
    if "tasks" not in hello:  # a stranger, such as a probe of ports
        connection.close()
        return
    if hello["tasks"] != dict(tasks) or name not in tasks:
        refusal = ("TF_CONFIG must name the same cluster on all. Received: "
                   f"{dict(tasks)} on {own}, {hello['tasks']} on {name} at {place[0]}.")
    elif name == own or name in present:
        refusal = ("Each of TF_CONFIG must have an index of its own. "
                   f"Received: a second {name}, at {place[0]}.")
    if refusal:
        logging.warning("Refused: %s", refusal)
        _send([connection], {"refused": refusal})
        connection.close()
    else:
        present[name] = connection


def _join(tasks: Mapping[str, str], own: str, waiting: _Waiting) -> None:
    why = ""
    while True:
        waiting.go_on([waiting.first], why)
        try:
            with socket.create_connection(_host_and_port(tasks[waiting.first]),
                                          min(waiting.left(), _SILENCE)) as connection:
                _send([connection], {"task": own, "tasks": dict(tasks)})
                why = _listen(connection, waiting)
        except (OSError, OverflowError) as error:
            why = str(getattr(error, "strerror", None) or error)
        if not why:
            return
        time.sleep(min(waiting.left(), _RETRY_SECONDS))


def _listen(connection: socket.socket, waiting: _Waiting) -> str:
    """Hears the first until it says to go; otherwise the answer is what went wrong."""
    with connection.makefile("rb") as lines:
        while message := _read(lines):
            if "go" in message:
                return ""
            if "refused" in message:
                raise ValueError(message["refused"])
            if "waiting" not in message:
                break
            waiting.say(message["waiting"])
            connection.settimeout(min(waiting.left(), _SILENCE))
    return "what answers there is another program, or has ended"


def _read(lines: Any) -> dict[str, Any]:
    """The message of the next line; empty where it is none."""
    try:
        message = json.loads(lines.readline(_LONGEST))
    except (ValueError, RecursionError):
        return {}
    return message if isinstance(message, dict) else {}


def _send(connections: Collection[socket.socket], message: Mapping[str, Any]) -> None:
    for connection in connections:
        try:
            connection.sendall(json.dumps(message).encode() + b"\n")
        except OSError:  # it has ended, which is noticed where it is listened to
            continue


def _host_and_port(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)
