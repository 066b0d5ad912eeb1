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
from delg.fitting import strategies
from tests.fixtures import forks


class ClusterTest(unittest.TestCase):
    def test_refuses_a_name_of_no_strategy(self):
        with self.assertRaisesRegex(ValueError, "`strategy` must be one of one_device, mirrored, "
                                    "multi_worker, tpu. Received: strategy='two'."):
            strategies.build_strategy("two")

    def test_mirrored_says_that_it_finds_no_accelerator(self):
        with mock.patch.object(tf.config, "list_logical_devices",
                               lambda kind: [] if kind == "GPU" else [mock.Mock(name=kind)]), \
                mock.patch.object(tf.distribute, "MirroredStrategy"), \
                self.assertLogs("absl", "WARNING") as logs:
            strategies.build_strategy("mirrored")
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
                strategies.build_strategy("multi_worker")

    def test_takes_workers_and_a_chief(self):
        for kind in ("worker", "chief"):
            strategies._check_cluster(json.dumps({"cluster": {"worker": ["a:1", "b:1"], "chief": ["c:1"]},
                                                  "task": {"type": kind, "index": 0}}))

    def test_a_worker_of_a_cluster_hears_sigterm(self):
        worker = forks.start(_end_as_worker, _free_port())
        worker.join(100)
        self.assertEqual(worker.exitcode, ending.STATUS)

    def test_a_worker_says_whom_it_waits_for_and_ctrl_c_ends_the_wait(self):
        reading, writing = multiprocessing.Pipe(duplex=False)
        worker = forks.start(_wait_as_worker, writing, _free_port(), _free_port())
        writing.close()
        self.addCleanup(worker.kill)
        self.assertTrue(reading.poll(100))
        self.assertRegex(reading.recv(), r"Waiting until all of TF_CONFIG .*: localhost:\d+, localhost:\d+\.")
        time.sleep(2)
        os.kill(worker.pid, signal.SIGINT)
        worker.join(10)
        self.assertEqual(worker.exitcode, -signal.SIGINT)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return probe.getsockname()[1]


def _wait_as_worker(pipe: multiprocessing.connection.Connection, *ports: int) -> None:
    os.environ["TF_CONFIG"] = json.dumps({"cluster": {"worker": [f"localhost:{port}" for port in ports]},
                                          "task": {"type": "worker", "index": 0}})
    with mock.patch.object(strategies.logging, "warning", lambda text, *parts: pipe.send(text % parts)):
        strategies.build_strategy("multi_worker")


def _end_as_worker(port: int) -> None:
    os.environ["TF_CONFIG"] = json.dumps({"cluster": {"worker": [f"localhost:{port}"]},
                                          "task": {"type": "worker", "index": 0}})
    try:
        with ending.by_sigterm():
            strategies.build_strategy("multi_worker")
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
    except ending.Terminated:
        os._exit(ending.STATUS)


if __name__ == "__main__":
    unittest.main()
