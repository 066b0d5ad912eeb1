"""Feature extraction as a stage: TFRecord shards in, feature shards out, one for one; or a folder of images.

A feature shard that is finished is not made again; one that was made from other images, by another model or
with other settings is refused. Shards are independent: several processes may share a job by giving each
its own part of the pattern, or a Beam runner may spread it over workers.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import shutil
import threading
from typing import Any

from data_prep.records import shards
from data_prep.records.manifest import Shard
from data_prep.records.shard_stage import BadImageLimit, plan_shards, write_left_out
from data_prep.stage import files, jobs
from data_prep.stage.jobs import JobConfig
from data_prep.stage.settings import require
from data_prep.stage.stored_settings import defaults_of
from delg.exports import accelerators
from delg.features import shards as feature_shards
from delg.features.describing import ImageDescriber
from delg.features.folder_features import DescribedFolder, describe_folder, find_image_files
from delg.features.shard_extraction import describe_examples, extract_tfrecord_shard
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
    with plan_shards(pattern, output_dir, describer.settings, feature_shards.read_shard_attributes,
                     defaults_of(ExtractConfig)) as plan:
        todo, limit = plan.todo, plan.limit(config.max_bad_fraction)
        if job is None:
            plan.make(os.path.basename(pattern), lambda source, output, sha256, on_image:
                      extract_tfrecord_shard(describer, functools.partial(describe_examples, describer),
                                             source, output, sha256, limit, on_image))
        elif todo:
            found = dataclasses.replace(config, precision=describer.settings["precision"])
            work = _ShardWork(saved_model, found, describer.settings, os.path.dirname(todo[0][0]), output_dir,
                              plan.num_images, plan.num_bad)
            _run_job(work, describer, [entry for *_, entry in todo], limit, job)
        write_left_out(plan.outputs, feature_shards.read_shard_attributes)
    return plan.outputs


def extract_folder(saved_model: str, images_dir: str, output_dir: str,
                   config: ExtractConfig) -> DescribedFolder:
    """Brings the features of a folder of image files up to date; `photos.left_out.json` lists the left out.

    Args:
        saved_model: folder made by `export.export`.
        images_dir: folder of image files, in folders of any depth.
        output_dir: of the features; see `folder_features`.
        config: how features are taken.

    Raises:
        as `folder_features.describe_folder`; FileNotFoundError also if the model is not there; ValueError if
            simulated views are asked for.
    """
    require(not config.simulated_views, "`simulated_views` must come with `pattern`, not with a folder of "
            "images.", simulated_views=config.simulated_views)
    find_image_files(images_dir)  # before the model is loaded
    described = describe_folder(ImageDescriber(saved_model, config), images_dir, output_dir,
                                config.max_bad_fraction)
    files.write_json(os.path.join(output_dir, "photos.left_out.json"), [
        {"image": image_id, "reason": reason} for image_id, reason in described.left_out.items()])
    return described


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
            accelerators.claim_one()
            describer = ImageDescriber(work.saved_model, work.config)
            _describers[work.saved_model, work.config] = describer
    if describer.settings != work.settings:
        raise ValueError("Every worker must see the same model. Received: another one in "
                         f"{work.saved_model} than the driver's.")
    return extract_tfrecord_shard(
        describer, functools.partial(describe_examples, describer), os.path.join(work.source_dir, name),
        os.path.join(work.output_dir, f"{name}.h5"), sha256[name],
        BadImageLimit(work.config.max_bad_fraction, work.num_images, work.num_bad),
        lambda: jobs.check_not_stopped(work.results_dir))
