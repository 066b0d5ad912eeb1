"""Writes a whole world: training views, evaluation views, tables and ground truth. Resumable, in parallel."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import os

import numpy as np
from absl import logging

from data_prep.stage import files
from data_prep.world import making, tables
from data_prep.world.architecture.city import City
from data_prep.world.config import WorldConfig
from data_prep.world.landmark_ground_truth import EASY_PIXEL_SHARE, EASY_VISIBLE_FRACTION, View
from data_prep.world.photography.scene import Photograph, photograph_landmark, photograph_street
from data_prep.world.photography.sensor import encode_jpeg

_FORMAT = 2  # of the pictures; raised when the same settings give other pictures
_PARTS = ".parts"  # what each finished job knows about its images
_STREETS_PER_JOB = 25
_QUERY_TRIES = 8
_TRAIN, _INDEX, _QUERY, _STREET = range(4)  # what an image's seed is for


@dataclasses.dataclass(frozen=True)
class Job:
    """Images made together: all views of a landmark, or some streets.

    Attributes:
        name: unique within a world.
        split: "train" or "eval".
        landmark: number within the split; -1 for streets.
        first, count: which of its images.
    """

    name: str
    split: str
    landmark: int
    first: int
    count: int


def make_world(config: WorldConfig) -> None:
    """Writes the world of a configuration, or what is still missing of it.

    Files under `output_dir`: train/i/j/k/ID.jpg, train.csv, train_clean.csv, train_views.csv,
    landmark_locations.csv, eval/jpg/NAME.jpg, eval/gnd.json, eval/landmarks.json, eval/homographies.json,
    eval/views.csv, world.json (the settings). Each image depends on the settings and its own seed only.

    Raises:
        ValueError: if the folder holds a world of other settings.
    """
    _claim_folder(config)
    todo = [job for job in _jobs(config) if not _is_finished(config, job)]
    logging.info("%d jobs to do in %s.", len(todo), config.output_dir)
    making.run(functools.partial(_do, config), todo, [job.count for job in todo], config.num_workers)
    facts = {job: _read_part(config, job) for job in _jobs(config)}
    tables.write_tables(config.output_dir, config.seed, config.num_landmarks, config.num_eval_landmarks,
                        [fact for job, part in facts.items() if job.split == "train" for fact in part],
                        [fact for job, part in facts.items() if job.split == "eval" for fact in part])


def _claim_folder(config: WorldConfig) -> None:
    settings = {"format": _FORMAT, **dataclasses.asdict(config)}
    del settings["output_dir"], settings["num_workers"]
    making.claim_folder(config.output_dir, settings, WorldConfig)
    os.makedirs(os.path.join(config.output_dir, _PARTS), exist_ok=True)


def _jobs(config: WorldConfig) -> list[Job]:
    jobs = [Job(f"train-{number:06d}", "train", number, 0, config.views_per_landmark)
            for number in range(config.num_landmarks)]
    if config.num_eval_landmarks:
        views = config.eval_views_per_landmark + config.queries_per_landmark
        jobs += [Job(f"eval-{number:06d}", "eval", number, 0,
                     views) for number in range(config.num_eval_landmarks)]
        jobs += [
            Job(
                f"street-{first:06d}",
                "eval",
                -1,
                first,
                min(_STREETS_PER_JOB, config.num_distractors - first),
            )
            for first in range(0, config.num_distractors, _STREETS_PER_JOB)
        ]
    return jobs


_cities: dict[tuple, City] = {}  # of this process; textures are made once


def _do(config: WorldConfig, job: Job) -> None:
    key = (config.seed, job.split, config.siblings, config.texture_size)
    if key not in _cities:
        _cities.clear()
        _cities[key] = City(*key)
    facts = []
    for number in range(job.first, job.first + job.count):
        name, photograph, encoded, is_query = _photograph(config, _cities[key], job, number)
        path = image_path(config.output_dir, job.split, name)
        with files.replacing(path) as temporary, open(temporary, "wb") as file:
            file.write(encoded)
        height, width = photograph.image.shape[:2]
        facts.append({"name": name, "landmark": job.landmark, "is_query": is_query, "bytes": len(encoded),
                      "width": width, "height": height,
                      "view": dataclasses.asdict(photograph.view) if photograph.view else None,
                      "homographies": {key: matrix.tolist() for key,
                                       matrix in photograph.homographies.items()}})
    files.write_json(_part_path(config, job), {"images": facts})


def _photograph(config: WorldConfig, city: City, job: Job,
                number: int) -> tuple[str, Photograph, bytes, bool]:
    is_query = job.split == "eval" and job.landmark >= 0 and number >= config.eval_views_per_landmark
    purpose = (
        _STREET if job.landmark < 0 else _TRAIN if job.split == "train" else _QUERY if is_query else _INDEX
    )
    seed = [config.seed, purpose, job.landmark + 1, number]
    name = hashlib.blake2b(repr(seed).encode(), digest_size=8).hexdigest()
    for attempt in range(_QUERY_TRIES):
        rng = np.random.default_rng([*seed, attempt])
        if job.landmark < 0:
            photograph = photograph_street(city, config.image_size, rng)
        else:
            photograph = photograph_landmark(city, job.landmark, config.image_size, rng, clear=is_query)
        if not is_query or _is_clear(photograph.view):
            break
    return name, photograph, encode_jpeg(photograph.image, rng), is_query


def _is_clear(view: View) -> bool:
    return view.visible_fraction >= EASY_VISIBLE_FRACTION and view.pixel_share >= EASY_PIXEL_SHARE


def image_path(output_dir: str, split: str, name: str) -> str:
    """Where an image lies: GLDv2's folders for training, one folder for evaluation."""
    if split == "train":
        return os.path.join(output_dir, "train", *name[:3], f"{name}.jpg")
    return os.path.join(output_dir, "eval", "jpg", f"{name}.jpg")


def _part_path(config: WorldConfig, job: Job) -> str:
    return os.path.join(config.output_dir, _PARTS, f"{job.name}.json")


def _read_part(config: WorldConfig, job: Job) -> list[dict]:
    with open(_part_path(config, job), encoding="utf-8") as file:
        return json.load(file)["images"]


def _is_finished(config: WorldConfig, job: Job) -> bool:
    try:
        facts = _read_part(config, job)
        return len(facts) == job.count and all(
            os.path.getsize(image_path(config.output_dir, job.split, fact["name"])) == fact["bytes"]
            for fact in facts)
    except (OSError, ValueError, KeyError, TypeError):
        return False
