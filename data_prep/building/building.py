"""Builds TFRecord shards: in parallel, each shard whole or not at all, the finished ones kept.

The plan is written beside the shards, a piece for each (see `shard_building`); the workers of a job, in this
process or on a cluster, read the pieces and the images, and write shards. Nothing else passes between them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import shutil
from collections.abc import Collection
from typing import Any

import numpy as np
from absl import logging

from data_prep.building import shard_building
from data_prep.building.config import BuildConfig
from data_prep.building.plan import BuildPlan, PlannedSplit, make_plan, pieces
from data_prep.building.shard_building import RECORDS_DIR, RESULTS_DIR, SUSPECTS_NAME
from data_prep.building.tar_members import find_members
from data_prep.building.unlisted import find_unlisted
from data_prep.records import shards
from data_prep.records.manifest import FILE_NAME, Manifest, Shard, Split, load_manifest, save_manifest
from data_prep.sources.formats.image_names import printable
from data_prep.sources.revisited import drop_images
from data_prep.stage import files, jobs, lock
from data_prep.stage.jobs import JobConfig

_EXAMPLE_OVERHEAD = 512  # bytes of an example besides its image, at most, with short ids
_LOCK_NAME = "lock"


def build(config: BuildConfig, job: JobConfig | None = None) -> Manifest:
    """Builds the shards of a dataset and, last of all, its dataset.json.

    Same images, tables and settings give the same bytes, whatever runs the job. After an interruption the
    same call goes on.

    Args:
        config: of the build.
        job: where to run; by default in this process, on all processors.

    Raises:
        ValueError: for bad tables, too many bad images, or an output folder that holds something else.
        OSError: if the disk has not enough room or does not let us write, or another build is at work.
    """
    job = job or JobConfig()
    records_dir = os.path.join(config.output_dir, RECORDS_DIR)
    plan = None if config.from_tars else make_plan(config)  # before anything is made on the disk
    os.makedirs(records_dir, exist_ok=True)
    with locked(config.output_dir):
        files.clear_temporaries(config.output_dir)
        if plan is None:
            plan = make_plan(config, find_members(config.from_tars, os.path.join(records_dir, "tars"), job))
        _check_output_dir(config, plan)
        _check_disk(config.output_dir, plan)
        results = _build_shards(config, plan, job)
        manifest = _describe(config, plan, results)
        for folder in ("results", "tars"):
            shutil.rmtree(os.path.join(records_dir, folder), ignore_errors=True)
    return manifest


def locked(output_dir: str) -> contextlib.AbstractContextManager[None]:
    """Keeps other builds out of a folder; a killed build holds no lock."""
    return lock.locked(os.path.join(output_dir, RECORDS_DIR, _LOCK_NAME),
                              "`output_dir` must be written by one build at a time. Received: "
                              f"output_dir={output_dir}, where another one is at work.")


def leave_out(output_dir: str, paths: Collection[str]) -> None:
    """Has the next build decode some images before it takes them, and leave them out if that fails.

    Args:
        output_dir: folder of the shards.
        paths: of the images, in the folder of images.
    """
    suspects = shard_building.read_suspects(output_dir).union(paths)
    files.write_json(os.path.join(output_dir, RECORDS_DIR, SUSPECTS_NAME), sorted(suspects))


def _check_output_dir(config: BuildConfig, plan: BuildPlan) -> None:
    """Refuses a folder with shards of another build."""
    expected = {name for split in plan.splits for name in split.shard_names()}
    for name in sorted(os.listdir(config.output_dir)):
        if shards.is_shard_name(name) and name not in expected:
            raise ValueError("`output_dir` must hold no shards of another build. Received: "
                             f"{os.path.join(config.output_dir, name)}; delete it or choose another folder.")
    if os.path.exists(os.path.join(config.output_dir, FILE_NAME)):
        there = load_manifest(config.output_dir)
        tables = {name: entry["sha256"] for name, entry in plan.sources.items()}
        tables_there = {name: entry["sha256"] for name, entry in there.sources.items()}
        if (there.dataset, there.seed, tables_there) != (config.dataset, config.seed, tables):
            raise ValueError(
                "`output_dir` must hold no other dataset. Received: "
                f"{there.path} of dataset={there.dataset}, seed={there.seed} and other tables or settings; "
                "delete its folder or choose another.")


def _check_disk(output_dir: str, plan: BuildPlan) -> None:
    num_pending = sum(size for split in plan.splits for name, size in zip(split.shard_names(), split.sizes())
                      if not os.path.exists(os.path.join(output_dir, name)))
    files.check_room(output_dir, num_pending * (plan.mean_bytes + _EXAMPLE_OVERHEAD), "for the shards")


def _build_shards(config: BuildConfig, plan: BuildPlan, job: JobConfig) -> dict[str, dict[str, Any]]:
    """What came of each shard, by its name."""
    names, sizes = [], []
    for split in plan.splits:
        for name, size, piece in zip(split.shard_names(), split.sizes(), pieces(plan, split)):
            _write_piece(shard_building.plan_path(config.output_dir, name), piece)
            names.append(name)
            sizes.append(size)
    left_out: list[dict[str, Any]] = []

    def count_bad(_: str, result: dict[str, Any]) -> None:
        left_out.extend(result["left_out"])
        shard_building.check_bad(left_out, config, plan.num_images)

    function = functools.partial(shard_building.bring_up_to_date, config, plan.num_images)
    return jobs.run("Building shards", function, names, os.path.join(config.output_dir, RESULTS_DIR), job,
                    sizes, count_bad)


def _write_piece(path: str, piece: bytes) -> None:
    try:
        with open(path, "rb") as file:
            if file.read() == piece:
                return
    except FileNotFoundError:
        pass
    with files.replacing(path) as temporary, open(temporary, "wb") as file:
        file.write(piece)


def _describe(config: BuildConfig, plan: BuildPlan, results: dict[str, dict[str, Any]]) -> Manifest:
    left_out, dropped, splits = [], {}, {}
    for split in plan.splits:
        found = [results[name] for name in split.shard_names()]
        bad = [entry for result in found for entry in result["left_out"]]
        left_out += [{"split": split.name, "id": entry["id"], "image": entry["image"],
                      "reason": entry["reason"]} for entry in bad]
        dropped[split.name] = {entry["id"] for entry in bad}
        parts = tuple(Shard(**result["shard"]) for result in found)
        splits[split.name] = Split(sum(shard.num_examples for shard in parts),
                                   _count_classes(split, bad, plan), split.label_range, parts)
    ground_truth = plan.ground_truth
    if ground_truth is not None and "gnd" in ground_truth:
        ground_truth = drop_images(ground_truth, dropped.get("index", ()), dropped.get("query", ()))
    unlisted = find_unlisted(config, plan.collection, plan.num_images - len(left_out))
    if left_out:
        logging.warning("Left out %d of %d images; dataset.json lists them.", len(left_out), plan.num_images)
    passed_over = {printable(path): reason for path, reason in plan.collection.passed_over.items()}
    if passed_over:
        logging.warning("Passed over %s; dataset.json lists all.", _some(passed_over))
    if unlisted["count"]:
        logging.warning("%d images below %s are in no table, such as %s.", unlisted["count"],
                        config.images_dir, printable(unlisted["examples"][0]))
    settings = dataclasses.asdict(config)
    del settings["output_dir"]  # is where dataset.json lies
    return save_manifest(Manifest(
        path="", dataset=config.dataset, seed=config.seed, num_classes=plan.num_classes,
        labels=tuple(plan.labels), splits=splits, ground_truth=ground_truth, sources=plan.sources,
        left_out=tuple(left_out),
        settings=settings, unlisted=unlisted, passed_over=passed_over), config.output_dir)


def _some(reasons: dict[str, str]) -> str:
    """The paths of each reason, up to three by name."""
    parts = []
    for reason in sorted(set(reasons.values())):
        paths = [path for path in reasons if reasons[path] == reason]
        parts.append(f"{', '.join(paths[:3])}{f' and {len(paths) - 3} more' if paths[3:] else ''} ({reason})")
    return "; ".join(parts)


def _count_classes(split: PlannedSplit, bad: list[dict[str, Any]], plan: BuildPlan) -> int:
    """Classes of which a split holds an image; warns of those that training will miss."""
    if split.labels is None:
        return 0
    counts = np.bincount(split.labels)
    np.subtract.at(counts, [entry["label"] for entry in bad], 1)
    found = int(np.count_nonzero(counts))
    if split.name == "train" and found < plan.num_classes:
        lost = [str(label) for label, count in zip(plan.labels[:plan.num_classes], counts) if not count]
        logging.warning("%d of %d classes have no readable image to train on: %s.",
                        plan.num_classes - found, plan.num_classes, ", ".join(lost[:10]))
    return found
