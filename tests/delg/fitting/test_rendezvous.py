"""Machines of a cluster that wait for each other, as processes of this one."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest
from unittest import mock

from data_prep.stage import command_line, ending
from delg.fitting import rendezvous

_SCRIPT = """
import json, sys
from data_prep.stage import command_line
from delg.fitting import rendezvous
cluster = json.loads(sys.argv.pop())
command_line.run(lambda _: rendezvous.meet(*cluster))
"""


class ProcessesTest(unittest.TestCase):
    def setUp(self):
        self.tasks = _tasks(3)

    def start(self, number: int, timeout: float = 60) -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, "-c", _SCRIPT, json.dumps([self.tasks, f"worker {number}", timeout])],
            stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.addCleanup(process.stderr.close)
        return process

    def wait_for(self, process: subprocess.Popen, *numbers: int) -> None:
        """Returns when the process has said that it waits for these."""
        said = ", ".join(f"worker {number} at {self.tasks[f'worker {number}']}" for number in numbers)
        for line in process.stderr:
            if f"Waiting for {said}" in line:
                return
        self.fail(f"ended with {process.wait()}")

    def test_all_go_when_all_are_there(self):
        second = self.start(1)
        self.wait_for(second, 0)
        first = self.start(0)
        self.wait_for(first, 2)
        self.wait_for(second, 2)  # the first has told it
        third = self.start(2)
        for process in (first, second, third):
            self.assertEqual(process.wait(20), 0)
        with socket.create_server(("", _port(self.tasks["worker 0"]))):  # its port is free for TensorFlow
            pass

    def test_signals_end_the_wait_at_once(self):
        ends = (signal.SIGTERM, ending.STATUS), (signal.SIGINT, command_line.INTERRUPTED)
        first, second = self.start(0), self.start(1)
        self.wait_for(first, 2)
        self.wait_for(second, 2)
        twin = self.start(1)
        self.assertEqual(twin.wait(20), 1)
        self.assertRegex(twin.stderr.read(), "Error: Each of TF_CONFIG must have an index of its own. "
                         "Received: a second worker 1, at 127.0.0.1.\\n$")
        for process, (number, status) in zip((second, first), ends):
            os.kill(process.pid, number)
            started = time.monotonic()
            self.assertEqual(process.wait(20), status)
            self.assertLess(time.monotonic() - started, 5)  # those that do not hear it are ended after seven

    def test_one_that_was_killed_may_come_again(self):
        first, second = self.start(0), self.start(1)
        self.wait_for(first, 2)
        second.kill()
        self.wait_for(first, 1, 2)
        processes = [first, self.start(1), self.start(2)]
        self.assertEqual([process.wait(20) for process in processes], [0, 0, 0])


class MeetTest(unittest.TestCase):
    def setUp(self):
        self.tasks = _tasks(2)
        self.address = ("localhost", _port(self.tasks["worker 0"]))

    def test_one_alone_goes(self):
        rendezvous.meet({"worker 0": "nowhere:1"}, "worker 0", 1)

    def test_says_whom_it_waits_for_until_the_time_is_over(self):
        for own, other in (("worker 0", "worker 1"), ("worker 1", "worker 0")):
            missing = f"{other} at {self.tasks[other]}"
            with self.subTest(own), mock.patch.multiple(rendezvous, _SAY_SECONDS=0.1, _RETRY_SECONDS=0.05), \
                    self.assertLogs("absl", "WARNING") as logs, \
                    self.assertRaisesRegex(TimeoutError, "All of a cluster must start within "
                                           f"`startup_timeout` of 0.35 s. Received: no word of {missing}"):
                rendezvous.meet(self.tasks, own, 0.35)
            self.assertIn(len(logs.output), (3, 4))
            self.assertIn(f"Waiting for {missing}", logs.output[0])

    def test_refuses_one_of_another_cluster_and_waits_on(self):
        other = {**self.tasks, "worker 2": "c:1"}
        with self.assertLogs("absl", "WARNING"):
            first = self.in_background("worker 0")
            for own in ("worker 1", "worker 2"):
                with self.assertRaisesRegex(ValueError, "TF_CONFIG must name the same cluster on all. "
                                            rf"Received: .* on worker 0, .*'c:1'.* on {own} at 127.0.0.1"):
                    rendezvous.meet(other, own, 20)
            rendezvous.meet(self.tasks, "worker 1", 20)
            first.join(20)

    def test_strangers_are_sent_away(self):
        with self.assertLogs("absl", "WARNING"):
            first = self.in_background("worker 0")
            for message in (b"GET / HTTP/1.1\r\n\r\n", b"[]\n", b"[" * 100_000 + b"\n", b""):
                with self.subTest(message[:20]), _connected(self.address) as stranger:
                    stranger.sendall(message)
                    stranger.shutdown(socket.SHUT_WR)
                    with contextlib.suppress(ConnectionResetError):  # where not all of it was read
                        self.assertEqual(stranger.recv(1), b"")
            rendezvous.meet(self.tasks, "worker 1", 20)
            first.join(20)

    def test_waits_while_another_program_has_the_address(self):
        with socket.create_server(("", self.address[1])) as other, self.assertLogs("absl", "WARNING"), \
                mock.patch.multiple(rendezvous, _RETRY_SECONDS=0.05):
            second = self.in_background("worker 1")
            for answer in (b"\0\0\x12\x04\n", b"{}\n"):
                connection, _ = other.accept()
                connection.sendall(answer)
                connection.close()
        with self.assertLogs("absl", "WARNING"):
            rendezvous.meet(self.tasks, "worker 0", 20)
        second.join(20)

    def test_refuses_a_port_that_is_taken(self):
        with socket.create_server(("", self.address[1])), \
                self.assertRaisesRegex(OSError, "worker 0 must be able to listen at its port in TF_CONFIG. "
                                       "Received: localhost:[0-9]+, .*in use"):
            rendezvous.meet(self.tasks, "worker 0", 20)

    def in_background(self, own: str) -> threading.Thread:
        thread = threading.Thread(target=rendezvous.meet, args=(self.tasks, own, 20), daemon=True)
        thread.start()
        self.addCleanup(lambda: self.assertFalse(thread.is_alive()))
        return thread


def _tasks(number: int) -> dict[str, str]:
    with_ports = [socket.create_server(("", 0)) for _ in range(number)]
    tasks = {f"worker {index}": f"localhost:{listener.getsockname()[1]}"
             for index, listener in enumerate(with_ports)}
    for listener in with_ports:
        listener.close()
    return tasks


def _port(address: str) -> int:
    return int(address.rpartition(":")[2])


def _connected(address: tuple[str, int]) -> socket.socket:
    """A connection to one that is about to listen."""
    for _ in range(100):
        try:
            return socket.create_connection(address, 20)
        except ConnectionRefusedError:
            time.sleep(0.05)
    raise TimeoutError(address)


if __name__ == "__main__":
    unittest.main()
