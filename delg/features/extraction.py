"""Extraction as a stage: TFRecord shards of images in, feature shards out, one for one.

A feature shard that is finished is not made again; one that was made from other images, by another model or
with other settings is refused. Shards are independent: several processes may share a job by giving each
its own part of the pattern, or a Beam runner may spread it over workers.
"""

from __future__ import annotations

import dataclasses
import functools
import glob
import os
import shutil
import threading
from collections.abc import Sequence
from typing import Any, NamedTuple

from absl import logging

from data_prep.records import pipeline, shards
from data_prep.records.manifest import Shard, manifest_beside
from data_prep.stage import files, jobs, progress
from data_prep.stage.jobs import JobConfig
from delg.features import shards as feature_shards
from delg.features.describing import ImageDescriber
from delg.features.shard_extraction import BadImageLimit, extract_shard
from delg.settings.extraction import ExtractConfig


def extract_features(saved_model: str, pattern: str, output_dir: str, config: ExtractConfig,
                     job: JobConfig | None = None) -> list[str]:
    """Writes `output_dir/<shard>.h5` for every TFRecord shard that matches.

    Images that cannot be used are left out of the features and listed in `<split>.left_out.json`.

    Args:
        saved_model: folder made by `export.export`.
        pattern: glob of TFRecord shards with dataset.json beside them; of examples with a query box only the
            box is described.
        output_dir: made where it does not exist.
        config: how features are taken.
        job: where to run, a shard at a time on each worker, all of whom see the model and both folders; None:
            in this process, one shard after another. The files are the same.

    Returns:
        Paths of the feature shards, in the order of the TFRecord shards.

    Raises:
        FileNotFoundError: if the model or the shards are not there.
        ValueError: if `output_dir` holds features that do not belong, or more images are bad than
            `max_bad_fraction` allows.
    """
    shards.find_shards(pattern)  # before the model is loaded
    describer = ImageDescriber(saved_model, config)
    plan = plan_shards(pattern, output_dir, describer.settings)
    todo = plan.todo
    limit = BadImageLimit(config.max_bad_fraction, plan.num_images, plan.num_bad)
    if job is None:
        with progress.bar() as bar:
            task = bar.add_task(os.path.basename(pattern),
                                total=sum(entry.num_examples for *_, entry in todo))
            for source, output, entry in todo:
                extract_shard(describer, source, output, entry.sha256, limit, lambda: bar.advance(task))
    elif todo:
        found = dataclasses.replace(config, precision=describer.settings["precision"])
        work = _ShardWork(saved_model, found, describer.settings, os.path.dirname(todo[0][0]), output_dir,
                          plan.num_images, plan.num_bad)
        _run_job(work, describer, [entry for *_, entry in todo], limit, job)
    write_left_out(plan.outputs)
    return plan.outputs


class ShardPlan(NamedTuple):
    """What there is to do of an extraction.

    Attributes:
        outputs: paths of all feature shards, in the order of the TFRecord shards.
        todo: TFRecord shard, feature shard and entry in dataset.json of those not finished.
        num_images: in all shards.
        num_bad: images left out of those finished.
    """

    outputs: list[str]
    todo: list[tuple[str, str, Shard]]
    num_images: int
    num_bad: int


def plan_shards(pattern: str, output_dir: str, settings: dict[str, Any]) -> ShardPlan:
    """Finds the TFRecord shards of a pattern and which of their feature shards are to do; makes `output_dir`.

    Args:
        pattern: glob of TFRecord shards with dataset.json beside them.
        output_dir: of the feature shards.
        settings: of the describer, which finished shards must have been made with.

    Raises:
        FileNotFoundError: if no shard matches.
        ValueError: if `output_dir` holds features that do not belong.
    """
    sources = shards.find_shards(pattern)
    entries = {entry.file: entry for split in manifest_beside(sources[0]).splits.values()
               for entry in split.shards}
    os.makedirs(output_dir, exist_ok=True)
    outputs = [os.path.join(output_dir, f"{os.path.basename(source)}.h5") for source in sources]
    todo, num_bad = [], 0
    for source, output in zip(sources, outputs):
        entry = entries[os.path.basename(source)]
        _refuse_other_numbering(output)
        if os.path.exists(output):
            num_bad += len(_check_finished(output, settings, entry.sha256))
        else:
            todo.append((source, output, entry))
    if len(todo) < len(outputs):
        logging.info("%d of %d feature shards are finished; kept.", len(outputs) - len(todo), len(outputs))
    return ShardPlan(outputs, todo, pipeline.count_examples(pattern), num_bad)


@dataclasses.dataclass(frozen=True)
class _ShardWork:
    """What a worker has to know of a job, besides the name of its shard."""

    saved_model: str
    config: ExtractConfig  # with the precision that the driver found
    settings: dict[str, Any]  # of the driver's describer
    source_dir: str
    output_dir: str
    num_images: int  # in the whole job
    num_bad: int  # before it began

    @property
    def results_dir(self) -> str:
        """Folder of the workers' answers; the same when the job is run again, which clears it up."""
        return os.path.join(self.output_dir, ".job")


def _run_job(work: _ShardWork, describer: ImageDescriber, entries: list[Shard], limit: BadImageLimit,
             job: JobConfig) -> None:
    """Extracts shards where `job` says; stops all of it when its bad images are too many together."""
    if job.runner == jobs.EMBEDDED:
        job = dataclasses.replace(job, num_workers=job.num_workers or 1)  # TensorFlow has threads of its own
        _describers[work.saved_model, work.config] = describer
    try:
        hashes = {entry.file: entry.sha256 for entry in entries}
        jobs.run("Extracting", functools.partial(_extract_item, work, hashes), list(hashes), work.results_dir,
                 job, [entry.num_examples for entry in entries],
                 on_result=lambda _, left_out: [limit.count(bad) for bad in left_out])
    finally:
        _describers.clear()
    shutil.rmtree(work.results_dir)


_describers: dict[tuple[str, ExtractConfig], ImageDescriber] = {}  # of this process, for all its shards
_loading = threading.Lock()


def _extract_item(work: _ShardWork, sha256: dict[str, str], name: str) -> list[dict[str, str]]:
    with _loading:
        describer = _describers.get((work.saved_model, work.config))
        if describer is None:
            describer = ImageDescriber(work.saved_model, work.config)
            _describers[work.saved_model, work.config] = describer
    if describer.settings != work.settings:
        raise ValueError("Every worker must see the same model. Received: another one in "
                         f"{work.saved_model} than the driver's.")
    return extract_shard(describer, os.path.join(work.source_dir, name),
                         os.path.join(work.output_dir, f"{name}.h5"), sha256[name],
                         BadImageLimit(work.config.max_bad_fraction, work.num_images, work.num_bad),
                         lambda: jobs.check_not_stopped(work.results_dir))


def _check_finished(path: str, settings: dict[str, Any], source_sha256: str) -> list[dict[str, str]]:
    """Images left out of a feature shard, after checking that it is what would be made now."""
    config, notes = feature_shards.read_shard_attributes(path)
    different = sorted(key for key in {*config, *settings} if config.get(key) != settings.get(key))
    if notes.get("source_sha256") != source_sha256:
        different.append("images")
    if different:
        raise ValueError(f"{path} holds features of another extraction; they differ in: "
                         f"{', '.join(different)}. Remove it, or choose another `output_dir`.")
    return notes["left_out"]


def _refuse_other_numbering(output: str) -> None:
    split, _, _, count = os.path.basename(output)[:-len(".h5")].rsplit("-", 3)
    pattern = os.path.join(glob.escape(os.path.dirname(output)), f"{glob.escape(split)}-?????-of-?????.h5")
    others = [path for path in glob.glob(pattern) if not path.endswith(f"-of-{count}.h5")]
    if others:
        raise ValueError(f"`output_dir` must not hold shards of another numbering than -of-{count}. "
                         f"Received: {others[0]}. Remove them, or choose another `output_dir`.")


def write_left_out(outputs: Sequence[str]) -> None:
    """Writes `<split>.left_out.json` for the splits of some feature shards, beside them.

    It joins what the finished shards of a split say, those of other processes included.
    """
    for output_dir, split in sorted({(os.path.dirname(output), os.path.basename(output).rsplit("-", 3)[0])
                                     for output in outputs}):
        pattern = os.path.join(glob.escape(output_dir), f"{glob.escape(split)}-?????-of-?????.h5")
        paths = sorted(glob.glob(pattern))
        files.write_json(os.path.join(output_dir, f"{split}.left_out.json"), [
            image for path in paths for image in feature_shards.read_shard_attributes(path)[1]["left_out"]])
