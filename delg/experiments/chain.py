"""Experiment of DELG: shards, training, export, features, search, verification, scores, report.

What is trained is a whole network, or of a network that comes with heads the whitening alone.
"""

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
from delg.features.rewriting import rewrite_features
from delg.features.whitening import fit_whitening
from delg.index import building as index_building
from delg.networks import model_files
from delg.report import page as report_page
from delg.scores import evaluation
from delg.search import retrieval
from delg.settings.extraction import ExtractConfig
from delg.settings.index import IndexConfig
from delg.settings.search import SearchConfig
from delg.settings.training import TrainConfig
from delg.settings.untrained import UntrainedConfig
from delg.settings.whitening import WhiteningConfig
from delg.training import loop
from delg.untrained import exporting

TRAIN_SHARE = 0.5  # of the landmarks of one folder that is both trained on and evaluated on


@dataclasses.dataclass(frozen=True)
class Experiment:
    """Where an experiment writes, and the settings of its stages."""

    output_dir: str
    model: TrainConfig | UntrainedConfig  # patterns and model_dir of a training are set by the experiment
    extract: ExtractConfig
    search: SearchConfig
    title: str
    local_index: IndexConfig | None = None  # of local features, beside that of global descriptors; None: none
    query_views: bool = False  # whether simulated views of queries are searched for too
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
            heldout_class_fraction=experiment.heldout_class_fraction, seed=experiment.search.seed,
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
                                                     experiment.search.seed)
    with stage("Building TFRecord shards"):
        building.build(BuildConfig(
            "landmarks", os.path.join(train_data_dir or data_dir, "jpg"), experiment.path("train_shards"),
            num_shards=4, validation_fraction=experiment.validation_fraction,
            heldout_class_fraction=experiment.heldout_class_fraction, seed=experiment.search.seed,
            landmarks_json=landmarks))
        _build_eval_shards(experiment, os.path.join(data_dir, "jpg"), ground_truth)
    return _run(experiment)


def _build_eval_shards(experiment: Experiment, images_dir: str, ground_truth: str) -> None:
    building.build(BuildConfig("revisited", images_dir, experiment.path("eval_shards"), num_shards=4,
                               ground_truth=ground_truth, seed=experiment.search.seed))


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
    untrained = experiment.path("untrained")
    measure_both = _train if isinstance(experiment.model, TrainConfig) else _whiten
    metrics = measure_both(experiment, untrained)
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


def _train(experiment: Experiment, untrained: str) -> dict:
    """Trains a network and measures it, after what it starts from, which goes to the folder `untrained`."""
    shards = experiment.path("train_shards")
    splits = load_manifest(shards).splits
    config = dataclasses.replace(
        experiment.model, model_dir=experiment.path("model"),
        train_pattern=os.path.join(shards, "train-*"),
        validation_pattern=os.path.join(shards, "validation-*") if "validation" in splits else "",
        heldout_pattern=os.path.join(shards, "heldout-*") if "heldout" in splits else "")
    with stage("Measuring the untrained model"):
        _write_untrained(config, os.path.join(untrained, "model"))
        saving.export(os.path.join(untrained, "model"), os.path.join(untrained, "saved_model"))
        _describe(experiment, untrained)
        _measure(experiment, untrained, "untrained_metrics.json")
    with stage("Training"):
        loop.train(config)
    with stage("Measuring the trained model"):
        saving.export(config.model_dir, experiment.path("saved_model"))
        _describe(experiment, experiment.output_dir)
        return _measure(experiment, experiment.output_dir, "metrics.json")


def _write_untrained(config: TrainConfig, model_dir: str) -> None:
    model = loop.untrained_model(config)
    num_classes = model.output["global_cosines"].shape[-1]
    model_files.write_untrained(model_dir, model, config.model_config(num_classes), attention_threshold=0.0)


def _whiten(experiment: Experiment, untrained: str) -> dict:
    """Measures a model with nothing trained, then whitened by what images of one training landmark differ in.

    Local features stay, so those of the folder `untrained` serve both.
    """
    saved_model, shards = experiment.path("saved_model"), experiment.path("train_shards", "train-*")
    with stage("Measuring the untrained model"):
        exporting.export_untrained(experiment.model, "package", saved_model)
        _describe(experiment, untrained, saved_model)
        _measure(experiment, untrained, "untrained_metrics.json")
    with stage("Learning the whitening"):
        extraction.extract_features(saved_model, shards, experiment.path("train_features"),
                                    dataclasses.replace(experiment.extract, local_scales=()))
        whitening = experiment.path("whitening.npz")
        fit_whitening(experiment.path("train_features"), whitening, WhiteningConfig(train_pattern=shards))
    with stage("Measuring the whitened model"):
        for features in ("features", "query_views")[:1 + experiment.query_views]:
            rewrite_features(os.path.join(untrained, features), experiment.path(features),
                             whitening=whitening)
        return _measure(experiment, experiment.output_dir, "metrics.json")


def _describe(experiment: Experiment, output_dir: str, saved_model: str = "") -> None:
    """From a model to the features of all that is evaluated, in `output_dir`."""
    described = [("query", "features", experiment.extract), ("index", "features", experiment.extract)]
    if experiment.query_views:
        described.append(("query", "query_views",
                          dataclasses.replace(experiment.extract, simulated_views=True)))
    for split, features, config in described:
        extraction.extract_features(saved_model or os.path.join(output_dir, "saved_model"),
                                    experiment.path("eval_shards", f"{split}-*"),
                                    os.path.join(output_dir, features), config)


def _measure(experiment: Experiment, output_dir: str, metrics: str) -> dict:
    """From the features in `output_dir` to scores, which the file `metrics` keeps, and what lies between."""
    features, views, index_dir, local_index_dir, ranking = (os.path.join(output_dir, name) for name in (
        "features", "query_views", "index", "local_index", "ranking.h5"))
    index_features = os.path.join(features, "index-*")
    index_building.build_index(index_features, index_dir)
    if experiment.local_index:
        index_building.build_index(index_features, local_index_dir, experiment.local_index)
    retrieval.search(os.path.join(features, "query-*"), index_features, index_dir, ranking, experiment.search,
                     local_index_dir=local_index_dir if experiment.local_index else "",
                     query_view_features=views if experiment.query_views else "")
    result = evaluation.evaluate(ranking, experiment.path("eval_shards", "dataset.json"))
    files.write_json(experiment.path(metrics), result)
    return result
