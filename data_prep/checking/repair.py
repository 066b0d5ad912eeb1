"""Builds what is bad in a dataset again, from the images and settings it was built with.

The bad shards are set aside as <shard>.bad until the build has ended well; if it fails, they and dataset.json
come back, so that a repair never makes things worse.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterator, Sequence
from concurrent import futures
from typing import NamedTuple

from data_prep.building import building
from data_prep.building.config import BuildConfig
from data_prep.building.read_collection import read_collection
from data_prep.checking.shard_check import DAMAGED_IMAGE
from data_prep.checking.validation import BAD_SUFFIX, Report
from data_prep.records.manifest import Manifest, load_manifest
from data_prep.sources.collection import ImageCollection
from data_prep.stage import files as stage_files
from data_prep.stage import jobs
from data_prep.stage.stored_settings import from_stored

_STAT_THREADS = 16  # the wait is for the file system
_MAX_LISTED = 20  # bad shards that an error names


class Rebuilt(NamedTuple):
    """What a repair did."""

    shards: tuple[str, ...]  # built again
    left_out: dict[str, str]  # images that are now left out: path -> reason


def rebuild_bad_shards(report: Report, images_dir: str = "", job: jobs.JobConfig | None = None) -> Rebuilt:
    """Builds the bad shards of a report again; images that do not decode are left out from now on.

    Args:
        report: of `validation.validate`.
        images_dir: where the images lie now; empty: where they lay when the shards were built.
        job: where to run; by default in this process, on all processors.

    Raises:
        ValueError: if dataset.json does not say how it was built, or shards of another build are there.
        OSError: if images or tables that the shards were built from are gone.
    """
    manifest = load_manifest(report.dataset_dir)
    known = {shard.file for split in manifest.splits.values() for shard in split.shards}
    bad = [file for file in report.bad_shards() if file in known]
    config = _config_of(manifest, images_dir)
    collection = _read_sources(config, manifest, bad)
    suspects = _suspects(report, collection)
    with _set_aside(manifest.path, bad):
        if suspects:
            building.leave_out(config.output_dir, suspects)
        rebuilt = building.build(config, job)
    for file in known:  # what a repair that was killed had set aside
        with contextlib.suppress(FileNotFoundError):
            os.remove(os.path.join(config.output_dir, file + BAD_SUFFIX))
    before = {entry["image"] for entry in manifest.left_out}
    return Rebuilt(tuple(bad), {entry["image"]: entry["reason"] for entry in rebuilt.left_out
                                if entry["image"] not in before})


def _config_of(manifest: Manifest, images_dir: str) -> BuildConfig:
    if not manifest.settings:
        raise ValueError(f"{manifest.path} must say with what settings it was built. Received: one without; "
                         "run data_prep.build_tfrecords with the flags of the first time.")
    config = from_stored(BuildConfig, {**manifest.settings, "output_dir": os.path.dirname(manifest.path)},
                         manifest.path)
    return dataclasses.replace(config, images_dir=images_dir or config.images_dir)


def _read_sources(config: BuildConfig, manifest: Manifest, bad: Sequence[str]) -> ImageCollection:
    """The images that the dataset was built from, after a look whether they are all there."""
    listed = ", ".join(bad[:_MAX_LISTED])
    listed += f" and {len(bad) - _MAX_LISTED} more" if len(bad) > _MAX_LISTED else ""
    needs = (f"Building shards again needs all that {manifest.path} was built from. "
             f"Bad are: {listed or 'no shards'}. ")
    if config.from_tars and not stage_files.matching(config.from_tars):
        raise OSError(f"{needs}Received: no file that matches from_tars={config.from_tars}.")
    if not config.from_tars and not os.path.isdir(config.images_dir):
        raise OSError(f"{needs}Received: images_dir={config.images_dir}, which does not exist.")
    try:
        collection = read_collection(config)
    except FileNotFoundError as error:
        raise OSError(f"{needs}Received: {error}") from error
    paths = [collection.path_of(image_id) for split in collection.splits for image_id in split.ids]
    num_images = len(manifest.left_out) + sum(shard.num_examples for split in manifest.splits.values()
                                              for shard in split.shards)
    if len(paths) != num_images:  # another number would be divided into splits in another way
        raise OSError(f"{needs}Received: {len(paths)} images now, {num_images} then.")
    if not config.from_tars:
        left_out = {entry["image"] for entry in manifest.left_out}
        with futures.ThreadPoolExecutor(_STAT_THREADS) as pool:
            exist = pool.map(lambda path: os.path.exists(os.path.join(config.images_dir, path)), paths)
            missing = [path for path, exists in zip(paths, exist) if not exists and path not in left_out]
        if missing:
            raise OSError(f"{needs}Received: {len(missing)} of {len(paths)} images are gone from "
                          f"{config.images_dir}, such as {missing[0]}.")
    return collection


def _suspects(report: Report, collection: ImageCollection) -> set[str]:
    """Paths of the images that do not decode in a shard that is as it was written."""
    changed = {problem.file for problem in report.problems if problem.kind in ("wrong size", "wrong SHA-256")}
    damaged = {problem.image_id for problem in report.problems
               if problem.kind == DAMAGED_IMAGE and problem.file not in changed}
    return {collection.path_of(image_id) for split in collection.splits for image_id in split.ids
            if image_id in damaged}


@contextlib.contextmanager
def _set_aside(manifest_path: str, files: Sequence[str]) -> Iterator[None]:
    """Takes shards away for the block; gives them and dataset.json back if it fails."""
    paths = [os.path.join(os.path.dirname(manifest_path), file) for file in files]
    paths = [path for path in paths if os.path.exists(path)]
    with open(manifest_path, "rb") as file:
        description = file.read()
    for path in paths:
        os.replace(path, path + BAD_SUFFIX)
    try:
        yield
    except BaseException:
        for path in paths:
            if os.path.exists(path):  # it was built before the failure
                os.remove(path + BAD_SUFFIX)
            else:
                os.replace(path + BAD_SUFFIX, path)
        if not os.path.exists(manifest_path):
            with stage_files.replacing(manifest_path) as temporary, open(temporary, "wb") as file:
                file.write(description)
        raise
    for path in paths:
        os.remove(path + BAD_SUFFIX)
