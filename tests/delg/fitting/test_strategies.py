"""How a training is spread: what TF_CONFIG must say."""

import json
import multiprocessing.connection
import os
import signal
import socket
import time
import unittest
from unittest import mock

import tensorflow as tf

from data_prep.stage import ending
from delg.fitting import rendezvous, strategies
from tests.fixtures import forks


class ClusterTest(unittest.TestCase):
    def test_refuses_a_name_of_no_strategy(self):
        with self.assertRaisesRegex(ValueError, "`strategy` must be one of one_device, mirrored, "
                                    "multi_worker, tpu. Received: strategy='two'."):
            strategies.build_strategy("two", 1)

    def test_mirrored_says_that_it_finds_no_accelerator(self):
        with mock.patch.object(tf.config, "list_logical_devices",
                               lambda kind: [] if kind == "GPU" else [mock.Mock(name=kind)]), \
                mock.patch.object(tf.distribute, "MirroredStrategy"), \
                self.assertLogs("absl", "WARNING") as logs:
            strategies.build_strategy("mirrored", 1)
        self.assertIn("`strategy=mirrored` finds no accelerator here and trains on the proc", logs.output[0])

    def test_refuses_a_tf_config_that_names_no_cluster(self):
        workers = {"cluster": {"worker": ["a:1", "b:1"]}}
        for content in ("", "{'cluster': {}}", "{}", "[]", "1", json.dumps(workers),
                        json.dumps({"clusters": workers["cluster"], "task": {"type": "worker", "index": 0}}),
                        json.dumps({**workers, "task": {"type": "chief", "index": 0}}),
                        json.dumps({**workers, "task": {"type": "worker", "index": 2}}),
                        json.dumps({**workers, "task": {"type": "worker", "index": "0"}}),
                        json.dumps({**workers, "task": {"type": "worker", "index": True}}),
                        *(json.dumps({"cluster": {"worker": worker}, "task": {"type": "worker", "index": 0}})
                          for worker in ([1], "a:1", ["a:1", "a:1"], ["a"], [""], None)),
                        json.dumps({"cluster": ["a:1"], "task": {"type": "worker", "index": 0}})):
            with self.subTest(content), mock.patch.dict(os.environ, TF_CONFIG=content), \
                    self.assertRaisesRegex(ValueError, "strategy=multi_worker.* TF_CONFIG .*Received"):
                strategies.build_strategy("multi_worker", 60)

    def test_takes_workers_and_a_chief(self):
        for kind in ("worker", "chief"):
            tasks, own = strategies._read_cluster(json.dumps(
                {"cluster": {"worker": ["a:1", "b:1"], "chief": ["c:1"]},
                 "task": {"type": kind, "index": 0}}))
            self.assertEqual(list(tasks.items()),
                             [("chief 0", "c:1"), ("worker 0", "a:1"), ("worker 1", "b:1")])
            self.assertEqual(own, f"{kind} 0")

    def test_a_worker_of_a_cluster_hears_sigterm(self):
        worker = forks.start(_work, None, [_free_port()], 0)
        worker.join(100)
        self.assertEqual(worker.exitcode, ending.STATUS)

    def test_a_worker_hears_sigterm_while_it_waits_and_two_start_together(self):
        ports = [_free_port(), _free_port()]
        reading, writing = multiprocessing.Pipe(duplex=False)
        waiting = forks.start(_work, writing, ports, 0)
        self.assertTrue(reading.poll(100))
        self.assertEqual(reading.recv(), f"Waiting for worker 1 at localhost:{ports[1]}.")
        os.kill(waiting.pid, signal.SIGTERM)
        waiting.join(5)
        self.assertEqual(waiting.exitcode, ending.STATUS)
        workers = [forks.start(_work, writing, ports, index) for index in range(2)]
        for worker in workers:
            worker.join(100)
        self.assertEqual([worker.exitcode for worker in workers], [0, 0])
        said = []
        while reading.poll():
            said.append(reading.recv())
        self.assertEqual(said.count(2), 2, said)  # replicas, said by each of two

    def test_ctrl_c_and_the_timeout_end_tensorflow_s_own_wait_too(self):
        for number, timeout in ((signal.SIGINT, 60), (signal.SIGALRM, 2)):
            reading, writing = multiprocessing.Pipe(duplex=False)
            worker = forks.start(_work_without_others, writing, [_free_port(), _free_port()], timeout)
            self.addCleanup(worker.kill)
            self.assertTrue(reading.poll(100))
            if number != signal.SIGALRM:
                time.sleep(2)
                os.kill(worker.pid, number)
            worker.join(20)
            self.assertEqual(worker.exitcode, -number)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return probe.getsockname()[1]


def _work(pipe: multiprocessing.connection.Connection | None, ports: list[int], index: int,
          timeout: float = 60) -> None:
    """Starts as one of a cluster; one alone is then ended by SIGTERM, one of several tells of how many."""
    os.environ["TF_CONFIG"] = json.dumps({"cluster": {"worker": [f"localhost:{port}" for port in ports]},
                                          "task": {"type": "worker", "index": index}})
    with ending.by_sigterm(), mock.patch.object(rendezvous.logging, "warning",
                                                lambda text, *parts: pipe.send(text % parts)):
        try:
            strategy = strategies.build_strategy("multi_worker", timeout)
            if pipe:
                pipe.send(strategy.num_replicas_in_sync)
                os._exit(0)
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
        except ending.Terminated:
            os._exit(ending.STATUS)


def _work_without_others(pipe: multiprocessing.connection.Connection, ports: list[int],
                         timeout: float) -> None:
    """Starts as if the others had died once they had met."""
    with mock.patch.object(rendezvous, "meet", lambda *_: pipe.send("met")):
        _work(pipe, ports, 0, timeout)


if __name__ == "__main__":
    unittest.main()
