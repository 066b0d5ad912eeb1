"""Experiment on day and night: shards, both trainings, channel weights, scores, report."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
from typing import Any

import numpy as np
import pandas as pd
import rich.console

from data_prep.building import building
from data_prep.building.config import BuildConfig
from data_prep.stage import files as stage_files
from data_prep.stage.jobs import JobConfig
from data_prep.stage.progress import stage
from data_prep.world.config import DayNightWorldConfig
from data_prep.world.day_night_world import make_day_night_world
from delg.networks import model_files
from vae.data.photographs import read_photographs
from vae.latents.latents import LatentEncoder
from vae.report import page as report_page
from vae.scores import claims, evaluation
from vae.scores.channel_study import study_channels
from vae.scores.config import MethodsConfig
from vae.scores.methods import build_methods, untrained
from vae.scores.translation import judge_translation
from vae.training import loop
from vae.training.config import TrainConfig
from vae.weighting.config import DISTANCES, WeightTrainConfig
from vae.weighting.weight_files import read_channel_weights
from vae.weighting.weight_training import WEIGHTS_FILE, train_channel_weights

PRESETS = ("paper", "adversarial")


@dataclasses.dataclass(frozen=True)
class Experiment:
    """Where an experiment writes, and the settings of its stages; patterns and folders are set by it."""

    output_dir: str
    title: str
    paper: TrainConfig
    adversarial: TrainConfig
    weights: WeightTrainConfig
    methods: MethodsConfig
    world: DayNightWorldConfig | None = None  # None: photographs
    data_dir: str = ""  # photographs: day/, night/ and places.csv
    test_fraction: float = 0.3  # of the places, for reporting
    # A larger margin draws the weights to few channels, which costs recall; chosen on another world.
    pooled_margin: float = 0.1  # of the triplet loss for the mended model's descriptors
    layer_counts: tuple[int, ...] = (1, 3, 6)  # of deep feature matching, on the paper model
    image_size: int = 224  # of the images that methods see, pixels
    seed: int = 0

    def path(self, *names: str) -> str:
        """A path under `output_dir`."""
        return os.path.join(self.output_dir, *names)

    def pattern(self, split: str) -> str:
        """Glob of the shards of `train` or `test`."""
        return self.path("shards", f"{split}-*")

    def weights_dir(self, vae: str, num_layers: int) -> str:
        """Where the channel weights of a preset's encoder go."""
        return self.path("weights", f"{vae}_{num_layers}")


def run(experiment: Experiment) -> dict[str, Any]:
    """Runs the stages that are not finished.

    Leaves metrics.json, of `evaluation.evaluate` with `translation`, `channels` and `claims`; the models
    `paper/` and `adversarial/`; `weights/`; report/index.html. Places that are reported are in no training.

    Returns:
        The content of metrics.json.

    Raises:
        ValueError: `output_dir` holds an experiment on other images.
    """
    _claim_folder(experiment)
    with stage("Making the world" if experiment.world else "Reading photographs"):
        if experiment.world:
            make_day_night_world(experiment.world)
        images = experiment.world.output_dir if experiment.world else experiment.data_dir
        building.build(BuildConfig("day_night", images, experiment.path("shards"), num_shards=2,
                                   validation_fraction=0.0, test_fraction=experiment.test_fraction,
                                   seed=experiment.seed), JobConfig())
    for preset in PRESETS:
        with stage(f"Training the {preset} preset"):
            loop.train(dataclasses.replace(
                getattr(experiment, preset), train_pattern=experiment.pattern("train"),
                model_dir=experiment.path(preset)))
    with stage("Weighting channels"):
        for num_layers in experiment.layer_counts:
            _weigh(experiment, "paper", num_layers, "paper", shrinkage=0.0)  # the original has none
        _weigh(experiment, "adversarial", 1, "pooled", margin=experiment.pooled_margin)
    with stage("Evaluating"):
        result = _finished(experiment)
        if result is None:
            result = _evaluate(experiment)
            stage_files.write_json(experiment.path("metrics.json"), result)
    with stage("Writing the report"):
        report_page.make_report(report_page.VisualizeConfig(
            experiment.output_dir, experiment.path("report"), image_size=experiment.image_size))
    console = rich.console.Console()
    console.print(evaluation.table(result))
    for claim in result["claims"]:
        console.print(f"{_verdict(claim['held'])}: {claim['claim']} {claim['evidence']}")
    return result


def _claim_folder(experiment: Experiment) -> None:
    """Finished trainings of one set of images must not be taken for those of another."""
    images = {"data_dir": experiment.data_dir, "seed": experiment.seed,
              "test_fraction": experiment.test_fraction,
              "world": dataclasses.asdict(experiment.world) if experiment.world else None}
    path = experiment.path("images.json")
    if not os.path.exists(path):
        stage_files.write_json(path, images)
        return
    with open(path, encoding="utf-8") as file:
        found = json.load(file)
    if found != images:
        raise ValueError("`output_dir` must hold no experiment on other images; delete it or choose another. "
                         f"Received: {experiment.output_dir}, made with {found}.")


def _finished(experiment: Experiment) -> dict[str, Any] | None:
    """The scores of these very models and images by these methods, if they are there."""
    try:
        with open(experiment.path("metrics.json"), encoding="utf-8") as file:
            result = json.load(file)
    except FileNotFoundError:
        return None
    return result if result.get("inputs") == _inputs(experiment) else None


def _inputs(experiment: Experiment) -> dict[str, Any]:
    """What decides the scores: settings, and the SHA-256 of files."""
    files = [experiment.path("shards", "dataset.json")]
    files += [model_files.weight_path(experiment.path(preset), "last") for preset in PRESETS]
    files += [os.path.join(experiment.weights_dir(vae, count), name)
              for vae, count in (("adversarial", 1), *(("paper", count) for count in experiment.layer_counts))
              for name in (WEIGHTS_FILE, "history.csv")]
    sums = {os.path.relpath(path, experiment.output_dir): stage_files.sha256_of(path)
            for path in files if os.path.exists(path)}
    return {"methods": dataclasses.asdict(experiment.methods), "image_size": experiment.image_size,
            "seed": experiment.seed, "files": sums}


def _verdict(held: bool | None) -> str:
    return {True: "held", False: "not held", None: "not tested"}[held]


def _weigh(experiment: Experiment, vae: str, num_layers: int, distance: str, **changes: Any) -> None:
    config = dataclasses.replace(
        experiment.weights, train_pattern=experiment.pattern("train"), vae_dir=experiment.path(vae),
        model_dir=experiment.weights_dir(vae, num_layers), validation_pattern=experiment.pattern("test"),
        num_layers=num_layers, distance=distance, **changes)
    if not os.path.exists(os.path.join(config.model_dir, WEIGHTS_FILE)):
        train_channel_weights(config)


def _evaluate(experiment: Experiment) -> dict[str, Any]:
    config = dataclasses.replace(
        experiment.methods, paper_model=experiment.path("paper"),
        adversarial_model=experiment.path("adversarial"),
        channel_weights=os.path.join(experiment.weights_dir("adversarial", 1), WEIGHTS_FILE))
    methods, absent = build_methods(config)
    reported, trained = (read_photographs(experiment.pattern(split), experiment.image_size)
                         for split in ("test", "train"))
    methods.update(untrained(config, trained))
    result = evaluation.evaluate(evaluation.with_clahe(methods), reported, trained, absent, experiment.seed)
    encoders = {preset: LatentEncoder(experiment.path(preset)) for preset in PRESETS}
    describe = functools.partial(methods["imagenet"], domain="") if "imagenet" in methods else None
    result["translation"] = {preset: judge_translation(encoder, reported, experiment.seed, describe)
                             for preset, encoder in encoders.items()}
    weights = read_channel_weights(os.path.join(experiment.weights_dir("paper", 1), WEIGHTS_FILE))
    result["channels"] = study_channels(encoders["paper"], reported, list(weights.values())[-1],
                                        DISTANCES["paper"], experiment.weights.margin,
                                        experiment.weights.num_hard, experiment.seed)
    losses = triplet_losses(experiment)
    result["claims"] = [claim._asdict() for claim in claims.judge_claims(result, result["channels"], losses)]
    result["inputs"] = _inputs(experiment)
    result["config"] = json.loads(json.dumps(dataclasses.asdict(experiment)))
    return result


def triplet_losses(experiment: Experiment) -> dict[int, np.ndarray]:
    """Triplet loss on reported places at the end of each epoch, by number of layers."""
    return {num_layers: pd.read_csv(os.path.join(experiment.weights_dir("paper", num_layers),
                                                 "history.csv"))["val_loss"].to_numpy()
            for num_layers in experiment.layer_counts}
