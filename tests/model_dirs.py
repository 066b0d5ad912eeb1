"""What trainings leave in a model directory, and trainings killed halfway."""

import csv
import dataclasses
import os
import signal
import subprocess
import sys
import time
import unittest
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from delg import model_files, resuming

_ROOT = Path(__file__).parents[1]


def read_history(model_dir: str) -> list[dict[str, str]]:
    """Rows of history.csv, one per epoch."""
    with open(os.path.join(model_dir, "history.csv"), encoding="utf-8") as file:
        return list(csv.DictReader(file))


def read_weights(model_dir: str, kind: str = "last") -> dict[str, np.ndarray]:
    """Every array of a weight file by its path inside."""
    arrays = {}
    with h5py.File(model_files.weight_path(model_dir, kind), "r") as file:
        file.visititems(lambda name, item: arrays.update({name: item[()]} if hasattr(item, "shape") else {}))
    return arrays


def assert_same_weights(test: unittest.TestCase, model_dir: str, expected_dir: str,
                        kinds: tuple[str, ...] = ("last", "best")) -> None:
    """Of two trainings that took the same steps."""
    for kind in kinds:
        expected, found = read_weights(expected_dir, kind), read_weights(model_dir, kind)
        test.assertEqual(set(found), set(expected))
        for name in expected:
            np.testing.assert_allclose(found[name], expected[name], rtol=1e-3, atol=1e-5, err_msg=name)


def kill_after_first_backup(test: unittest.TestCase, module: str, config: Any, *flags: str) -> None:
    """Runs a script of training as a process of its own and kills it once it can be resumed.

    Args:
        test: fails if the process ends before.
        module: such as "delg.train"; it has a flag for each field of `config`.
        config: settings with `model_dir`.
        flags: others.
    """
    command = [sys.executable, "-m", module, *flags] + [
        f"--{name}={value}" for name, value in dataclasses.asdict(config).items()]
    process = subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    state = os.path.join(resuming.backup_dir(config.model_dir), "checkpoint")
    deadline = time.monotonic() + 200
    while not os.path.exists(state) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    _, errors = process.communicate()
    test.assertEqual(process.returncode, -signal.SIGKILL, errors.decode()[-2000:])
