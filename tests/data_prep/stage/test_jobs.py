"""A job runs every item once, ends with the first error, and runs the same outside the process."""

import functools
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from data_prep.stage import jobs
from data_prep.stage.jobs import JobConfig
from tests.fixtures.processes import is_alive


def double(offset: int, item: str) -> dict:
    return {"value": 2 * int(item) + offset, "process": os.getpid(), "thread": threading.get_ident()}


def refuse_three(error: type, item: str) -> int:
    if item == "3":
        raise error(f"item {item} is bad")
    return int(item)


def wait_for_stop(results_dir: str, item: str) -> int:
    if item == "0":
        raise ValueError("stop")
    for _ in range(10_000):
        jobs.check_not_stopped(results_dir)
        threading.Event().wait(0.01)
    return 0


def kill_process_of_two(results_dir: str, item: str) -> int:
    if item == "2":
        os.kill(os.getpid(), signal.SIGKILL)
    return int(item)


def note_process(folder: str, _: str) -> None:
    open(os.path.join(folder, str(os.getpid())), "w").close()
    time.sleep(100)


class RunTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.results_dir = os.path.join(directory.name, "results")

    def run_job(self, function, items, config=None, **arguments):
        return jobs.run("Working", function, items, self.results_dir, config or JobConfig(num_workers=2),
                        **arguments)

    def test_every_item_once(self):
        results = self.run_job(functools.partial(double, 1), [str(number) for number in range(9)])
        self.assertEqual({item: result["value"] for item, result in results.items()},
                         {str(number): 2 * number + 1 for number in range(9)})
        self.assertEqual({result["process"] for result in results.values()}, {os.getpid()})

    def test_no_items(self):
        self.assertEqual(self.run_job(double, []), {})

    def test_error_of_an_item_keeps_its_type_and_message(self):
        for error in (ValueError, OSError):
            with self.assertRaisesRegex(error, "^item 3 is bad$"):
                self.run_job(functools.partial(refuse_three, error), [str(number) for number in range(6)])

    def test_runs_again_after_an_error(self):
        with self.assertRaises(ValueError):
            self.run_job(functools.partial(refuse_three, ValueError), ["3"])
        self.assertEqual(self.run_job(functools.partial(refuse_three, ValueError), ["4"]), {"4": 4})

    def test_long_items_leave_off_when_another_fails(self):  # or this test takes 100 s
        with self.assertRaisesRegex(ValueError, "^stop$"):
            self.run_job(functools.partial(wait_for_stop, self.results_dir), ["0", "1"])

    def test_error_of_on_result_ends_the_job(self):
        seen = []

        def look(item, result):
            seen.append((item, result["value"]))
            raise ValueError(f"enough of {item}")

        with self.assertRaisesRegex(ValueError, "^enough of 7$"):
            self.run_job(functools.partial(double, 0), ["7"], on_result=look)
        self.assertEqual(seen, [("7", 14)])

    def test_results_of_an_earlier_job_do_not_count(self):
        self.run_job(functools.partial(double, 0), ["1"])
        self.assertEqual(self.run_job(functools.partial(double, 5), ["1"])["1"]["value"], 7)

    def test_a_large_job_runs_in_processes(self):
        sizes = [100_000] * 3
        results = self.run_job(functools.partial(double, 1), ["1", "2", "3"], sizes=sizes)
        self.assertEqual([result["value"] for result in results.values()], [3, 5, 7])
        self.assertNotIn(os.getpid(), {result["process"] for result in results.values()})
        with self.assertRaisesRegex(OSError, "^item 3 is bad$"):
            self.run_job(functools.partial(refuse_three, OSError), ["1", "2", "3"], sizes=sizes)
        with self.assertRaisesRegex(ValueError, "^stop$"):  # or this test takes 100 s
            self.run_job(functools.partial(wait_for_stop, self.results_dir), ["0", "1"], sizes=sizes[:2])

    def test_no_beam_without_a_runner(self):
        code = ("import sys, tempfile\nfrom data_prep.stage import jobs\n"
                "print(jobs.run('Working', len, ['a', 'bc'], tempfile.mkdtemp(), jobs.JobConfig()))\n"
                "print('apache_beam' in sys.modules)")
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        self.assertEqual(done.stdout, "{'a': 1, 'bc': 2}\nFalse\n")

    def test_a_killed_worker_process_ends_the_job_with_one_line(self):
        with self.assertRaisesRegex(OSError, "^Worker processes must live until the job has ended. Received: "
                                             "one that was killed, .*; finished work is kept.$"):
            self.run_job(functools.partial(kill_process_of_two, self.results_dir), ["1", "2", "3"],
                         sizes=[100_000] * 3)

    def test_worker_processes_end_with_a_killed_parent(self):
        pids = os.path.join(os.path.dirname(self.results_dir), "pids")
        os.makedirs(pids)
        code = ("import functools, sys\nfrom data_prep.stage import jobs\n"
                "from tests.data_prep.stage import test_jobs\n"
                "jobs.run('Working', functools.partial(test_jobs.note_process, sys.argv[1]), ['0', '1'],\n"
                "         sys.argv[2], jobs.JobConfig(num_workers=2), [100_000] * 2)")
        parent = subprocess.Popen([sys.executable, "-c", code, pids, self.results_dir])
        _wait_until(lambda: len(os.listdir(pids)) == 2 or parent.poll() is not None)
        parent.kill()
        parent.wait()
        workers = [int(name) for name in os.listdir(pids)]
        self.assertEqual(len(workers), 2)
        _wait_until(lambda: not any(is_alive(worker) for worker in workers))
        self.assertEqual([worker for worker in workers if is_alive(worker)], [])

    def test_a_runner_outside_this_process(self):
        """Beam's own job service and worker pool stand in for those of a cluster."""
        service, pool = (_free_port() for _ in range(2))
        environment = {**os.environ,
                       "PATH": os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]]),
                       "PYTHONPATH": str(pathlib.Path(__file__).parents[3])}
        for module, port in (("portability.local_job_service_main", f"--port={service}"),
                             ("worker.worker_pool_main", f"--service_port={pool}")):
            process = subprocess.Popen([sys.executable, "-m", f"apache_beam.runners.{module}", port],
                                       env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            self.addCleanup(process.wait)
            self.addCleanup(process.terminate)
        config = JobConfig("PortableRunner", (f"--job_endpoint=localhost:{service}",
                                              "--environment_type=EXTERNAL",
                                              f"--environment_config=localhost:{pool}"))
        results = self.run_job(functools.partial(double, 1), ["1", "2", "3"], config)
        self.assertEqual([result["value"] for result in results.values()], [3, 5, 7])
        self.assertNotIn(os.getpid(), {result["process"] for result in results.values()})


class JobConfigTest(unittest.TestCase):
    def test_refuses_a_negative_number_of_workers(self):
        with self.assertRaisesRegex(ValueError, "`num_workers` must not be negative. .*num_workers=-1"):
            JobConfig(num_workers=-1)

    def test_refuses_options_without_a_runner(self):
        with self.assertRaisesRegex(ValueError, "`runner_options` need a `runner` other than embedded"):
            JobConfig(runner_options=("--flink_master=host:8081",))


def _wait_until(holds, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.05)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return probe.getsockname()[1]


if __name__ == "__main__":
    unittest.main()
