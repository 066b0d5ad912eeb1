"""Every stage is killed while it writes, finds the disk full, and is run twice at once: nothing is lost.

The stages make a chain: what one has made, with another run of it in its midst, feeds those that come after
it. What is on the disk in that moment is what a kill would leave then; processes that are truly killed are in
the tests of trainings, builds, locks and jobs.
"""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import re
import resource
import shutil
import subprocess
import tempfile
import unittest
from typing import NamedTuple
from unittest import mock

from data_prep.stage import files
from delg.index import building
from delg.search import retrieval
from delg.settings.search import SearchConfig
from tests.fixtures import (
    eager,
    forks,
    photographs,
    planar_world,
    scripts,
    tiny_day_night,
    tiny_pairs,
    tiny_search,
    tiny_shards,
    tiny_trainings,
)

_ONE_AT_A_TIME = r"Error: .* must be .* by one (process|build) at a time. Received: .*, "
_FULL = r"(?s).*Error: \[Errno 27\] File too large: '[^\n]*'\n\Z"  # a limit on the size of files stands in
_VARIES = ("history.csv", "*.weights.h5", "*.pb", "variables/*", "export_config.json",
           "index.json")  # it names generations


class Trial(NamedTuple):
    """A stage, to be run as a script.

    Attributes:
        module: the script.
        flags: "{given}" stands for the folder of what is there before, "{out}" for that of what it makes.
        varies: whether two runs of it make files that differ in bytes.
        kill_at: at which of the files that it gives their names, counted from 1, it is killed and another one
            begins.
    """

    module: str
    flags: dict[str, object]
    varies: bool = False
    kill_at: int = 1


_MODEL = {"width": 0.125, "backbone_weights": "none", "image_size": 32, "batch_size": 8, "num_steps": 4,
          "steps_per_epoch": 2, "seed": 3}
_SEARCH = {"query_features": "{given}/query-*.h5", "index_features": "{given}/index-*.h5"}
TRIALS = {trial.module: trial for trial in (
    Trial("data_prep.make_world", {
        "output_dir": "{out}/world", "num_landmarks": 2, "views_per_landmark": 2, "image_size": 48,
        "num_eval_landmarks": 0, "num_distractors": 0, "num_workers": 1}),
    Trial("data_prep.make_day_night_world", {
        "output_dir": "{out}/day_night_world", "num_places": 2, "views_per_place": 1, "image_size": 48,
        "num_workers": 1}),
    Trial("data_prep.build_tfrecords", {
        "dataset": "folder", "images_dir": "{given}/photos", "output_dir": "{out}/shards", "num_shards": 2}),
    Trial("data_prep.validate", {"dataset_dir": "{given}/tiny_shards", "output": "{out}/validation.json"},
          varies=True),
    Trial("data_prep.inspect", {"dataset_dir": "{given}/tiny_shards", "output": "{out}/sheet.png"}),
    Trial("delg.train", {
        **_MODEL, "train_pattern": "{given}/tiny_shards/train-*", "model_dir": "{out}/delg_model",
        "backbone": "resnet18", "embedding_dim": 8, "autoencoder_dim": 4, "attention_dim": 8,
        "backup_steps": 1}, varies=True, kill_at=3),
    Trial("delg.train_reranker", {
        "features": "{given}/pairs/features.h5", "train_pattern": "{given}/pairs/train-*",
        "index_dir": "{given}/pairs/index", "model_dir": "{out}/reranker", "num_features": 20,
        "num_matches": 8, "width": 8, "depth": 1, "batch_size": 2, "num_steps": 4, "steps_per_epoch": 2,
        "warmup_steps": 0, "heldout_fraction": 0.0, "backup_steps": 1}, varies=True, kill_at=3),
    Trial("delg.export_model", {"model_dir": "{given}/delg_model", "export_dir": "{out}/delg_saved"},
          varies=True),
    Trial("delg.extract_features", {
        "saved_model": "{given}/delg_saved", "pattern": "{given}/tiny_shards/heldout-*",
        "output_dir": "{out}/delg_features"}),
    Trial("delg.find_images", {
        "saved_model": "{given}/delg_saved", "images_dir": "{given}/photos", "min_inliers": 15,
        "query": "{given}/photos/class0/0.jpg", "work_dir": "{out}/photos_work",
        "output": "{out}/photos.json"}, kill_at=2),
    Trial("delg.group_images", {
        "saved_model": "{given}/delg_saved", "images_dir": "{given}/photos", "work_dir": "{out}/group_work",
        "output": "{out}/groups.csv"}, kill_at=2),
    Trial("delg.fit_whitening", {"features": "{given}/index-*.h5", "output": "{out}/whitening.npz",
                                 "dimension": 2}),
    Trial("delg.rewrite_features", {"features": "{given}/index-*.h5", "output_dir": "{out}/rewritten",
                                    "local_dtype": "int8"}),
    Trial("delg.build_index", {"features_dir": "{given}/index-*.h5", "index_dir": "{out}/delg_index"}),
    Trial("delg.search_images", {**_SEARCH, "index_dir": "{given}/delg_index", "num_rerank": 4,
                                 "min_inliers": 15, "num_workers": 1, "output": "{out}/found.h5"}),
    Trial("delg.evaluate", {"ranking": "{given}/found.h5", "ground_truth": "{given}/gnd.json",
                            "output": "{out}/scores.json"}),
    Trial("delg.make_report", {
        **_SEARCH, "ranking": "{given}/found.h5", "ground_truth": "{given}/gnd.json",
        "metrics": "{given}/scores.json", "query_images": "{given}/query-?????-of-00001",
        "index_images": "{given}/index-?????-of-00001", "output_dir": "{out}/report"}),
    Trial("delg.list_results", {"ranking": "{given}/found.h5", "output": "{out}/results.csv"}),
    Trial("delg.export_pairs", {
        "ranking": "{given}/planar/ranking.h5", "features": "{given}/planar/*-*.h5", "num_pairs": 3,
        "output": "{out}/pairs.txt", "matches": "{out}/matches.h5", "database": "{out}/database.db"}),
    Trial("delg.convert_features", {"input": "{given}/planar/index-*.h5", "format": "hloc",
                                    "output": "{out}/hloc.h5"}),
    Trial("hashing.train", {
        **_MODEL, "preset": "paper2019", "train_pattern": "{given}/tiny_shards/train-*", "code_size": 16,
        "model_dir": "{out}/hashing_model", "images_per_class": 2, "backbone": "resnet18",
        "backup_steps": 1}, varies=True, kill_at=3),
    Trial("hashing.export_model", {"model_dir": "{given}/hashing_model", "export_dir": "{out}/hashing_saved"},
          varies=True),
    Trial("hashing.encode_images", {
        "saved_model": "{given}/hashing_saved", "pattern": "{given}/tiny_shards/heldout-*",
        "output_dir": "{out}/codes"}),
    Trial("hashing.build_index", {"codes": "{given}/codes", "index_dir": "{out}/hashing_index"}),
    Trial("hashing.search_images", {"index_dir": "{given}/hashing_index", "query_codes": "{given}/codes",
                                    "output": "{out}/hashing_ranking.csv"}),
    Trial("hashing.evaluate", {"query_codes": "{given}/codes", "index_codes": "{given}/codes",
                               "output": "{out}/hashing_scores.json", "report_dir": "{out}/hashing_report"}),
    Trial("vae.train", {
        "preset": "paper", "train_pattern": "{given}/day_night_shards/train-*",
        "model_dir": "{out}/vae_model", "image_size": 16, "width": 1 / 32, "batch_size": 4,
        "normalization": "none", "up_normalization": "batch", "descriptor_grid": 2, "num_steps": 2,
        "steps_per_epoch": 1, "num_pictures": 1, "backup_steps": 1, "seed": 3}, varies=True, kill_at=3),
    Trial("vae.train_channel_weights", {
        "train_pattern": "{given}/day_night_shards/train-*", "vae_dir": "{given}/vae_model",
        "model_dir": "{out}/channel_weights", "batch_size": 4, "num_steps": 2, "steps_per_epoch": 1,
        "num_hard": 1, "num_validation": 4}, varies=True, kill_at=3),
    Trial("vae.export_model", {"model_dir": "{given}/vae_model", "export_dir": "{out}/vae_saved"},
          varies=True),
    Trial("vae.encode_images", {
        "saved_model": "{given}/vae_saved", "pattern": "{given}/day_night_shards/validation-*",
        "output_dir": "{out}/vae_features"}),
    Trial("vae.translate_images", {
        "saved_model": "{given}/vae_saved", "pattern": "{given}/day_night_shards/validation-*",
        "output_dir": "{out}/vae_translated"}),
)}
_given: dict[str, str] = {}  # folder of what trials start from, of this process
_killed: dict[str, str] = {}  # by script, the folder of what a kill leaves of it; those that have been run


def setUpModule():
    folder = tempfile.TemporaryDirectory()
    unittest.addModuleCleanup(folder.cleanup)
    unittest.addModuleCleanup(_killed.clear)
    tiny_trainings.use()
    _given["folder"] = folder.name
    tiny_search.make_search(folder.name)
    planar = pathlib.Path(folder.name, "planar")
    planar.mkdir()
    planar_world.write_world(planar)
    building.build_index(f"{planar}/index-*.h5", f"{planar}/index")
    retrieval.search(f"{planar}/query-*.h5", f"{planar}/index-*.h5", f"{planar}/index",
                     f"{planar}/ranking.h5", SearchConfig(num_rerank=3, min_inliers=8), num_workers=1)
    for name, write in (("tiny_shards", tiny_shards.write_tiny_shards),
                        ("day_night_shards", tiny_day_night.write_shards), ("pairs", tiny_pairs.write)):
        os.makedirs(os.path.join(folder.name, name))
        write(os.path.join(folder.name, name))
    for number in range(4):
        path = pathlib.Path(folder.name, "photos", f"class{number % 2}", f"{number}.jpg")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(photographs.jpeg(seed=number))


class TrialsTest(unittest.TestCase):
    def make(self, trial: Trial) -> None:
        """Runs it, and those that it starts from, each with another run in its midst."""
        for before in TRIALS.values():
            if before.module not in _killed:
                self.run_twice(before)
            if before is trial:
                break

    def run_twice(self, trial: Trial) -> None:
        given = _given["folder"]
        with tempfile.TemporaryDirectory() as out:
            killed, second = tempfile.mkdtemp(dir=given, prefix=".killed"), []
            num_replaced, replace = 0, os.replace

            def counted(source: str, target: str) -> None:
                nonlocal num_replaced
                num_replaced += 1
                if num_replaced == trial.kill_at:
                    # By another process: one that opens a lock of its own anew lets go of it.
                    subprocess.run(["cp", "-a", f"{out}/.", killed], check=True)
                    second.append(_run_in_a_fork(trial, out))
                replace(source, target)

            with mock.patch.object(os, "replace", counted):
                ends = [_run(trial, out), *second]
            self.assertEqual(len(ends), 2)
            self.assertTrue(any(end.returncode == 0 for end in ends), ends)
            for end in ends:
                if end.returncode:
                    self.assertRegex(end.stderr, _ONE_AT_A_TIME)
            for name in _made(trial):
                os.rename(os.path.join(out, name), os.path.join(given, name))
            _killed[trial.module] = killed

    def check(self, trial: Trial) -> None:
        self.make(trial)
        expected = {name: digest for name, digest in _contents(_given["folder"]).items()
                    if name.split("/")[0] in _made(trial)}
        with tempfile.TemporaryDirectory() as out:
            before = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (_half_of_largest(trial), before[1]))
            try:
                full = _run(trial, out)
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, before)
            self.assertEqual(full.returncode, 1, full.stderr)
            self.assertRegex(full.stderr, _FULL)
            self.assertNotIn("Traceback", full.stderr)
            self.check_names(trial, out, expected)
            self.check_names(trial, _killed[trial.module], expected)
            shutil.copytree(_killed[trial.module], out, dirs_exist_ok=True)
            again = _run(trial, out)
            self.assertEqual(again.returncode, 0, again.stderr)
            self.check_names(trial, out, expected)
            self.assertEqual(set(_contents(out)), set(expected))
            self.assertEqual([name for _, folders, names in os.walk(out) for name in (*folders, *names)
                              if files.is_temporary(name) or name.endswith("_temp")], [])

    def check_names(self, trial: Trial, out: str, expected: dict[str, str]) -> None:
        found = _contents(out)
        self.assertLessEqual(set(found), set(expected))
        if not trial.varies:
            self.assertEqual(found, {name: expected[name] for name in found})


def _test_of(trial: Trial):
    return lambda self: self.check(trial)


for _number, _trial in enumerate(TRIALS.values()):  # tests run in the order of their names
    setattr(TrialsTest, f"test_{_number:02}_{_trial.module.replace('.', '_')}", _test_of(_trial))


def _made(trial: Trial) -> set[str]:
    """Names of what a trial makes."""
    return {str(value).removeprefix("{out}/") for value in trial.flags.values() if "{out}" in str(value)}


def _contents(folder: str) -> dict[str, str]:
    """Digests of the files that users see, by their path; of those that vary empty.

    The name of a file of an index is taken without its generation, which counts the builds in a folder.
    """
    found = {}
    for path in pathlib.Path(folder).rglob("*"):
        parts = path.relative_to(folder).parts
        if path.is_file() and not any(part.startswith(".") or part in ("backup", "events") for part in parts):
            varies = any(path.match(pattern) for pattern in _VARIES)
            name = re.sub(r"(index/[a-z]+)-\d+", r"\1", "/".join(parts))
            found[name] = "" if varies else hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def _half_of_largest(trial: Trial) -> int:
    paths = [path for name in _made(trial) for made in [pathlib.Path(_given["folder"], name)]
             for path in ([made] if made.is_file() else made.rglob("*"))]
    return max(path.stat().st_size for path in paths if path.is_file()) // 2


def _run(trial: Trial, out: str) -> subprocess.CompletedProcess:
    """Runs a script that writes to a folder, as a process that has not written there before."""
    flags = {name: value.format(given=_given["folder"], out=out) if isinstance(value, str) else value
             for name, value in trial.flags.items()}
    run = eager.eagerly(scripts.run) if "train" in trial.module else scripts.run
    with mock.patch.object(files, "_cleared", set()):
        return run(trial.module, **flags)


def _run_in_a_fork(trial: Trial, out: str) -> subprocess.CompletedProcess:
    with tempfile.TemporaryDirectory() as folder:
        log = os.path.join(folder, "log.json")
        process = forks.start(_note_run, log, _given["folder"], trial.module, out)
        process.join(200)
        with open(log, encoding="utf-8") as file:
            return subprocess.CompletedProcess(trial.module, **json.load(file))


def _note_run(log: str, given: str, module: str, out: str) -> None:
    tiny_trainings.start()
    _given["folder"] = given
    done = _run(TRIALS[module], out)
    with open(log, "w", encoding="utf-8") as file:
        json.dump({"returncode": done.returncode, "stderr": done.stderr}, file)


if __name__ == "__main__":
    unittest.main()
