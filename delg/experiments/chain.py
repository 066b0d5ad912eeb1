"""Experiment of DELG: shards, training, export, features, search, verification, scores, report."""

from __future__ import annotations

import dataclasses
import os

import numpy as np
import rich.console

from data_prep.building import building
from data_prep.building.config import BuildConfig
from data_prep.records.manifest import load_manifest
from data_prep.sources.landmarks import read_landmarks
from data_prep.sources.revisited import drop_images, read_ground_truth
from data_prep.stage import files
from data_prep.stage.progress import stage
from data_prep.world.config import WorldConfig
from data_prep.world.landmark_world import make_world
from delg.exports import saving
from delg.features import extraction
from delg.index import building as index_building
from delg.networks import model_files
from delg.report import page as report_page
from delg.scores import evaluation
from delg.search import retrieval
from delg.settings.extraction import ExtractConfig
from delg.settings.search import SearchConfig
from delg.settings.training import TrainConfig
from delg.training import loop

TRAIN_SHARE = 0.5  # of the landmarks of one folder that is both trained on and evaluated on


@dataclasses.dataclass(frozen=True)
class Experiment:
    """Where an experiment writes, and the settings of its stages."""

    output_dir: str
    train: TrainConfig  # its patterns and model_dir are set by the experiment
    extract: ExtractConfig
    search: SearchConfig
    title: str
    world: WorldConfig | None = None  # for experiments on the procedural world
    validation_fraction: float = 0.05
    heldout_class_fraction: float = 0.1

    def path(self, *names: str) -> str:
        """A path under `output_dir`."""
        return os.path.join(self.output_dir, *names)


def run_on_world(experiment: Experiment) -> dict:
    """Makes the world, trains on its training landmarks and evaluates on the others.

    Returns:
        The content of metrics.json.
    """
    with stage("Making the world"):
        make_world(experiment.world)
    world = experiment.world.output_dir
    with stage("Building TFRecord shards"):
        building.build(BuildConfig(
            "gldv2", os.path.join(world, "train"), experiment.path("train_shards"), num_shards=8,
            validation_fraction=experiment.validation_fraction,
            heldout_class_fraction=experiment.heldout_class_fraction, seed=experiment.train.seed,
            train_csv=os.path.join(world, "train.csv"),
            train_clean_csv=os.path.join(world, "train_clean.csv")))
        _build_eval_shards(experiment, os.path.join(world, "eval", "jpg"),
                           os.path.join(world, "eval", "gnd.json"))
    return _run(experiment)


def run_on_photographs(experiment: Experiment, data_dir: str, train_data_dir: str = "") -> dict:
    """Trains on landmarks of one folder and evaluates on those of another, or on its other half.

    Both folders are laid out as `jpg/NAME.jpg`, `gnd.json` (queries, revisited form) and `landmarks.json`.

    Args:
        experiment: settings.
        data_dir: evaluated on: every query; without `train_data_dir` those of half its landmarks.
        train_data_dir: trained on: every landmark. Empty: the other half of the landmarks of `data_dir`.

    Returns:
        The content of metrics.json.

    Raises:
        FileNotFoundError: a folder lacks one of these files.
        ValueError: a file is not what it should be, or the folders share landmarks.
    """
    ground_truth = os.path.join(data_dir, "gnd.json")
    landmarks = os.path.join(train_data_dir or data_dir, "landmarks.json")
    if train_data_dir:
        _check_apart(os.path.join(data_dir, "landmarks.json"), landmarks)
    else:
        ground_truth, landmarks = _split_by_landmark(data_dir, experiment.path("split"),
                                                     experiment.train.seed)
    with stage("Building TFRecord shards"):
        building.build(BuildConfig(
            "landmarks", os.path.join(train_data_dir or data_dir, "jpg"), experiment.path("train_shards"),
            num_shards=4, validation_fraction=experiment.validation_fraction,
            heldout_class_fraction=experiment.heldout_class_fraction, seed=experiment.train.seed,
            landmarks_json=landmarks))
        _build_eval_shards(experiment, os.path.join(data_dir, "jpg"), ground_truth)
    return _run(experiment)


def _build_eval_shards(experiment: Experiment, images_dir: str, ground_truth: str) -> None:
    building.build(BuildConfig("revisited", images_dir, experiment.path("eval_shards"), num_shards=4,
                               ground_truth=ground_truth, seed=experiment.train.seed))


def _check_apart(evaluated: str, trained: str) -> None:
    shared = {landmark for landmark in read_landmarks(evaluated).values() if landmark is not None}
    shared &= set(read_landmarks(trained).values())
    if shared:
        raise ValueError("`data_dir` and `train_data_dir` must not share landmarks. "
                         f"Received: {len(shared)} in both, such as {min(map(str, shared))!r}.")


def _split_by_landmark(data_dir: str, split_dir: str, seed: int) -> tuple[str, str]:
    """Writes and returns the ground truth of one part of the landmarks and the table of the other part.

    Distractors stay in the index; images of the training part leave it.
    """
    landmark_of = read_landmarks(os.path.join(data_dir, "landmarks.json"))
    truth = read_ground_truth(os.path.join(data_dir, "gnd.json"))
    names = sorted({str(landmark) for landmark in landmark_of.values() if landmark is not None})
    if len(names) < 2:
        raise ValueError(f"{data_dir} must have at least two landmarks to be split. Received: {len(names)}.")
    order = np.random.default_rng(seed).permutation(len(names))
    trained = {names[row] for row in order[:max(1, int(TRAIN_SHARE * len(names)))]}

    table = {image: landmark if str(landmark) in trained and landmark is not None else None
             for image, landmark in landmark_of.items()}
    seen = {image for image, landmark in table.items() if landmark is not None}
    evaluated = drop_images(truth, seen, seen)
    os.makedirs(split_dir, exist_ok=True)
    paths = os.path.join(split_dir, "gnd.json"), os.path.join(split_dir, "landmarks.json")
    files.write_json(paths[0], evaluated)
    files.write_json(paths[1], {"image_landmark": table})
    return paths


def _run(experiment: Experiment) -> dict:
    shards = experiment.path("train_shards")
    splits = load_manifest(shards).splits
    config = dataclasses.replace(
        experiment.train, model_dir=experiment.path("model"),
        train_pattern=os.path.join(shards, "train-*"),
        validation_pattern=os.path.join(shards, "validation-*") if "validation" in splits else "",
        heldout_pattern=os.path.join(shards, "heldout-*") if "heldout" in splits else "")
    with stage("Measuring the untrained model"):
        _write_untrained(config, experiment.path("untrained", "model"))
        untrained = _measure(experiment, experiment.path("untrained", "model"), experiment.path("untrained"))
        files.write_json(experiment.path("untrained_metrics.json"), untrained)
    with stage("Training"):
        loop.train(config)
    with stage("Measuring the trained model"):
        metrics = _measure(experiment, config.model_dir, experiment.output_dir)
    with stage("Writing the report"):
        report_page.make_report(report_page.ReportConfig(
            ranking=experiment.path("ranking.h5"), metrics=experiment.path("metrics.json"),
            ground_truth=experiment.path("eval_shards", "dataset.json"),
            baseline_metrics=experiment.path("untrained_metrics.json"),
            query_features=experiment.path("features", "query-*"),
            index_features=experiment.path("features", "index-*"),
            query_images=experiment.path("eval_shards", "query-*"),
            index_images=experiment.path("eval_shards", "index-*"),
            saved_model=experiment.path("saved_model"), output_dir=experiment.path("report"),
            title=experiment.title))
    rich.console.Console().print(evaluation.table(metrics))
    return metrics


def _write_untrained(config: TrainConfig, model_dir: str) -> None:
    model = loop.untrained_model(config)
    num_classes = model.output["global_cosines"].shape[-1]
    model_files.write_untrained(model_dir, model, config.model_config(num_classes), attention_threshold=0.0)


def _measure(experiment: Experiment, model_dir: str, output_dir: str) -> dict:
    """From a model directory to metrics.json and what lies between, in `output_dir`."""
    saved_model, features, index_dir, ranking, metrics = (
        os.path.join(output_dir, name)
        for name in ("saved_model", "features", "index", "ranking.h5", "metrics.json"))
    saving.export(model_dir, saved_model)
    for split in ("query", "index"):
        extraction.extract_features(saved_model, experiment.path("eval_shards", f"{split}-*"), features,
                                    experiment.extract)
    index_features = os.path.join(features, "index-*")
    index_building.build_index(index_features, index_dir)
    retrieval.search(os.path.join(features, "query-*"), index_features, index_dir, ranking, experiment.search)
    result = evaluation.evaluate(ranking, experiment.path("eval_shards", "dataset.json"))
    files.write_json(metrics, result)
    return result
