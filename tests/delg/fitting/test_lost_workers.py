"""Workers that are killed at random, each in the loop of the guide, end as if none had been.

KILLS and WORKERS in the environment say how often, and of how many.
"""

import json
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import numpy as np

from tests.documents import sources
from tests.fixtures import model_dirs, tiny_workers

_KILLS = int(os.environ.get("KILLS", "2"))
_WORKERS = int(os.environ.get("WORKERS", "2"))
_CHANGES = {"strategy": "multi_worker", "num_steps": 20 + 15 * _KILLS, "steps_per_epoch": 50,
            "backup_steps": 4}
_LATEST = 0.5  # seconds after the first new checkpoint that a worker is killed
_EARLIEST_SHARE = 0.3  # of the kills come before that, while the workers start


def recipe(training: str, folder: str, model_dir: str) -> str:
    """The script of the guide, for a tiny training."""
    text = (sources.ROOT / "docs/guides/cluster.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S)
    script, = (block for block in blocks if "while true" in block)
    given = tiny_workers.arguments(training, folder, model_dir=model_dir, **_CHANGES)
    here = " ".join(f"'{word}'" for word in [sys.executable, "-m", "tests.fixtures.tiny_workers", *given])
    script, number = re.subn(r"^  python -m delg\.train .* &$", lambda _: f"  {here} &", script, flags=re.M)
    assert number == 1 and script.count("sleep 5") == 1, script
    return script.replace("sleep 5", "sleep 1")


class Cluster:
    """The loops of all workers of one training.

    Args:
        folder: of `write_shards`.
        name: of the folder of the model, in it.
    """

    def __init__(self, folder: str, name: str):
        self.model_dir = pathlib.Path(folder, name)
        addresses = tiny_workers.free_addresses(_WORKERS)
        script = recipe("delg.train", folder, str(self.model_dir))
        self.logs = [pathlib.Path(folder, f"{name}.{number}.log") for number in range(_WORKERS)]
        self.loops = []
        for number, log in enumerate(self.logs):
            environment = {**os.environ, "TF_CONFIG": tiny_workers.tf_config(addresses, number),
                           "TF_CPP_MIN_LOG_LEVEL": "3"}
            with open(log, "w", encoding="utf-8") as file:
                self.loops.append(subprocess.Popen(["bash", "-c", script], env=environment, cwd=sources.ROOT,
                                                   stdout=file, stderr=file))

    def worker(self, number: int) -> int | None:
        """Process that trains in the loop of a worker, if one does."""
        children = pathlib.Path(f"/proc/{self.loops[number].pid}/task/{self.loops[number].pid}/children")
        for child in children.read_text(encoding="utf-8").split():
            if "python" in pathlib.Path(f"/proc/{child}/cmdline").read_text(encoding="utf-8").split("\0")[0]:
                return int(child)
        return None

    def kill(self, number: int) -> bool:
        """Kills a worker, and says whether there was any."""
        try:
            process = self.worker(number)
            if process is not None:
                os.kill(process, signal.SIGKILL)
            return process is not None
        except OSError:  # it has ended by itself
            return False

    def latest_step(self) -> int:
        return max((int(path.stem.split("-")[1]) for path in self.model_dir.glob("backup/ckpt-*.index")),
                   default=0)

    def wait(self, seconds: float) -> list[int]:
        end = time.monotonic() + seconds
        return [loop.wait(max(1.0, end - time.monotonic())) for loop in self.loops]

    def end(self) -> None:
        for number, loop in enumerate(self.loops):
            if loop.poll() is None:
                self.kill(number)
                loop.kill()
            loop.wait()


class LostWorkersTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.addCleanup(folder.cleanup)
        tiny_workers.write_shards(folder.name)
        self.folder = folder.name

    def cluster(self, name: str) -> Cluster:
        cluster = Cluster(self.folder, name)
        self.addCleanup(cluster.end)
        return cluster

    def test_killed_ones_are_started_again_and_lose_nothing(self):
        whole = self.cluster("whole")
        self.assertEqual(whole.wait(600), [0] * _WORKERS, self.tails(whole))
        lost, chance, killed = self.cluster("lost"), random.Random(_KILLS), []
        while len(killed) < _KILLS:
            number, begun = chance.randrange(_WORKERS), lost.latest_step()
            is_early = chance.random() < _EARLIEST_SHARE
            end = time.monotonic() + 600
            if is_early:
                time.sleep(chance.uniform(1, 30))
            else:
                while lost.latest_step() == begun and time.monotonic() < end:
                    time.sleep(0.05)
                time.sleep(chance.uniform(0, _LATEST))
            if all(loop.poll() is None for loop in lost.loops) and lost.kill(number):
                killed.append((number, lost.latest_step()))
                print(f"killed worker {number} at step {killed[-1][1]}", flush=True)
            self.assertTrue(any(loop.poll() is None for loop in lost.loops), (killed, self.tails(lost)))
        started = time.monotonic()
        self.assertEqual(lost.wait(900), [0] * _WORKERS, self.tails(lost))
        print(f"the last run took {time.monotonic() - started:.0f} s")
        expected, found = (model_dirs.read_weights(str(each.model_dir)) for each in (whole, lost))
        self.assertEqual(set(found), set(expected))
        for name, value in expected.items():
            np.testing.assert_array_equal(found[name], value, err_msg=name)
        print(json.dumps({"killed": killed, "arrays": len(expected)}))

    def tails(self, cluster: Cluster) -> list[str]:
        return [log.read_text(encoding="utf-8", errors="replace")[-1500:] for log in cluster.logs]


if __name__ == "__main__":
    unittest.main()
