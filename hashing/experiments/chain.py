"""Experiment on hashing: shards, trainings at each code size, codes, baselines, scores, report."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from absl import logging

from data_prep.building import building
from data_prep.building.config import BuildConfig
from data_prep.records.manifest import Split, load_manifest
from data_prep.stage import files
from data_prep.stage.progress import stage
from data_prep.world.config import WorldConfig
from delg.networks import model_files
from hashing.codes import baselines, codes, encoding
from hashing.codes.code_shards import EncodedImages, concatenate, read_codes
from hashing.data import world_folders
from hashing.experiments import outcome
from hashing.networks.model import build_hashing
from hashing.scores import evaluation, overlap, pictures, report
from hashing.training import adaptation, loop
from hashing.training.adapt_config import AdaptConfig
from hashing.training.config import TrainConfig

CODE_SIZES = (16, 32, 48, 64)  # bits, of the published table
REAL_VALUED_SIZE = 32  # bits, of the codes whose cosine retrieval "real_valued" tells


@dataclasses.dataclass(frozen=True)
class Experiment:
    """Where an experiment writes, and the settings of its stages; folders and patterns are set by it."""

    output_dir: str
    title: str
    images: BuildConfig  # its output_dir is set by the experiment
    trained: dict[str, TrainConfig]  # by method; with `prefix_sizes` one training gives all code sizes
    adaptation: AdaptConfig | None = None  # of the codes of best to the index; None: there is none
    code_sizes: tuple[int, ...] = CODE_SIZES
    world: WorldConfig | None = None  # None: `images` names photographs
    seed: int = 0

    def path(self, *names: str) -> str:
        """A path under `output_dir`."""
        return os.path.join(self.output_dir, *names)

    def pattern(self, split: str) -> str:
        """Glob of the shards of a split."""
        return self.path("shards", f"{split}-*")


def run(experiment: Experiment) -> dict[str, Any]:
    """Runs the stages that are not finished.

    The queries are the split `test`; the index holds all other images. Classes of the split `heldout` are in
    no training and are searched among themselves.

    Returns:
        The content of metrics.json: {"real_valued": {"mAP"} of `best` at 32 bits, METHOD: {"16": {"mAP",
        "seconds" of the training that gave these codes, ...}, ...}, "unseen": the same for classes never
        trained on; `best_adapted` and `itq_adapted` have seen the images of the index, without labels;
        "features": {"mAP"} of cosine retrieval by the features before any training, "warnings":
        sentences to be read with the figures, "config"}; mAP in percent.
    """
    with stage("Building TFRecord shards"):
        if experiment.world:
            world_folders.write_class_folders(experiment.world, experiment.images.images_dir)
        building.build(dataclasses.replace(experiment.images, output_dir=experiment.path("shards")))
    seconds: dict[tuple[str, int], float] = {}
    for method, config in experiment.trained.items():
        if config.prefix_sizes:
            with stage(f"Training {method} at all lengths"):
                elapsed = _train(experiment, method, max(experiment.code_sizes))
            seconds |= {(method, size): elapsed for size in experiment.code_sizes}
            continue
        for size in experiment.code_sizes:
            with stage(f"Training {method} at {size} bits"):
                seconds[method, size] = _train(experiment, method, size)
    if _adapts(experiment):
        with stage("Adapting best to the index"):
            for size in experiment.code_sizes:
                seconds[f"best{outcome.ADAPTED}", size] = seconds["best", size] + _adapt(experiment, size)
    with stage("Encoding and evaluating"):
        results = _evaluate(experiment, seconds)
    config = json.loads(json.dumps(dataclasses.asdict(experiment)))
    metrics = {**outcome.metrics_of(results, _shown_size(experiment)), "config": config}
    metrics["warnings"] = _warnings(experiment)
    files.write_json(experiment.path("metrics.json"), metrics)
    report.print_table(results)
    for warning in metrics["warnings"]:
        logging.warning("%s", warning)
    size = _shown_size(experiment)
    num_classes = load_manifest(experiment.path("shards")).num_classes
    drawn = pictures.draw_queries(*_codes_of(experiment, "best", size), experiment.pattern("*-of"),
                                  num_classes)
    settings = {"data": experiment.images.dataset, "seed": experiment.seed,
                **{f"{method}: {name}": value for method, config in experiment.trained.items()
                   for name, value in _changed(config).items()}}
    report.make_report(results, experiment.path("report"), experiment.title, outcome.summarize(metrics),
                       settings, drawn, f"best, {size} bits", metrics["warnings"])
    return metrics


def _train(experiment: Experiment, method: str, code_size: int) -> float:
    """Trains a method at a code size, unless that is done; returns how many seconds it took.

    A training that was broken off begins anew, so that its seconds are those of the whole.
    """
    model_dir = experiment.path("models", _name(experiment, method, code_size))
    done = os.path.join(model_dir, "seconds.json")
    shards = load_manifest(experiment.path("shards"))
    splits, config = shards.splits, experiment.trained[method]
    config = dataclasses.replace(
        config, images_per_class=_images_per_class(config, shards.num_classes),
        train_pattern=experiment.pattern("train"), model_dir=model_dir,
        validation_pattern=experiment.pattern("validation") if "validation" in splits else "",
        code_size=code_size,
        prefix_sizes=tuple(experiment.code_sizes) if config.prefix_sizes else ())
    if not os.path.exists(done):
        shutil.rmtree(model_dir, ignore_errors=True)
    return _timed(lambda: loop.train(config), done)


def _adapts(experiment: Experiment) -> bool:
    """Whether codes are adapted to the index: not where it has fewer images than the longest codes bits."""
    num_index = sum(part.num_examples for part in _index_splits(experiment).values())
    return experiment.adaptation is not None and num_index >= max(experiment.code_sizes)


def _index_splits(experiment: Experiment) -> dict[str, Split]:
    """The parts that are searched: all but the queries."""
    splits = load_manifest(experiment.path("shards")).splits
    return {name: part for name, part in splits.items() if name != "test"}


def _adapt(experiment: Experiment, code_size: int) -> float:
    """Adapts the codes of best to the index, unless that is done; returns how many seconds it took."""
    name = _name(experiment, "best", code_size)
    output_dir = experiment.path("models", f"{name}{outcome.ADAPTED}")
    config = dataclasses.replace(
        experiment.adaptation, model_dir=experiment.path("models", name), output_dir=output_dir,
        train_pattern=experiment.pattern("train"),
        index_pattern=tuple(map(experiment.pattern, _index_splits(experiment))))
    return _timed(lambda: adaptation.adapt(config), os.path.join(output_dir, "seconds.json"))


def _timed(work: Callable[[], Any], done: str) -> float:
    """Does some work and writes its seconds to a file; returns them.

    Where that is done the work refuses other settings, does nothing else and leaves the seconds as they are.
    """
    started = time.monotonic()
    work()
    if os.path.exists(done):
        return float(files.read_json(done)["seconds"])
    elapsed = time.monotonic() - started
    files.write_json(done, {"seconds": elapsed})
    keras.backend.clear_session()
    return elapsed


def _images_per_class(config: TrainConfig, num_classes: int) -> int:
    """That of the settings, or more where so few classes would not fill a batch."""
    least = config.batch_size // num_classes
    fitting = [count for count in range(1, config.batch_size + 1) if config.batch_size % count == 0
               and count >= max(config.images_per_class, least)
               and config.batch_size // count <= num_classes]
    return fitting[0] if config.images_per_class else 0


def _evaluate(experiment: Experiment, seconds: dict[tuple[str, int], float]) -> dict[str, dict[int, Any]]:
    """Scores by method and code size; those of the untrained features stand beside the baselines'."""
    num_classes = load_manifest(experiment.path("shards")).num_classes
    results: dict[str, dict[int, Any]] = {}
    for method in dict.fromkeys(method for method, _ in seconds):
        for name in dict.fromkeys(_name(experiment, method, size) for size in experiment.code_sizes):
            _encode(experiment, name)
        for size in experiment.code_sizes:
            queries, index = _codes_of(experiment, method, size)
            scores = evaluation.evaluate(queries, index, num_classes, experiment.seed)
            results.setdefault(method, {})[size] = {**scores, "seconds": seconds[method, size]}
    _write_untrained(next(iter(experiment.trained.values())), experiment.path("models", "untrained"))
    _encode(experiment, "untrained", keep_features=True)
    queries, index = _read_codes(experiment, "untrained")
    learnt = index.features[index.labels < num_classes]
    fitting = [size for size in experiment.code_sizes if size <= min(learnt.shape)]
    if len(fitting) < len(experiment.code_sizes):
        logging.warning("No baseline codes of more than %d bits: of %d images there are no more components.",
                        min(learnt.shape), len(learnt))
    fitted_to = {method: (method, learnt) for method in baselines.METHODS}
    if _adapts(experiment):
        fitted_to[f"itq{outcome.ADAPTED}"] = "itq", index.features
    for method, (baseline, descriptors) in fitted_to.items():
        for size in fitting:
            started = time.monotonic()
            encode = baselines.fit_codes(baseline, descriptors, size, experiment.seed)
            elapsed = time.monotonic() - started
            scores = evaluation.evaluate(_with_codes(queries, encode, size), _with_codes(index, encode, size),
                                         num_classes, experiment.seed)
            for part in (scores, scores.get("unseen", {})):
                part.pop("real_valued", None)  # these have no values but their bits
            results.setdefault(method, {})[size] = {**scores, "seconds": elapsed}
    return results


def _name(experiment: Experiment, method: str, code_size: int) -> str:
    """Name of the model that a method's codes of a size are of: one for each size, or one for all."""
    if method.endswith(outcome.ADAPTED):
        return _name(experiment, method.removesuffix(outcome.ADAPTED), code_size) + outcome.ADAPTED
    return method if experiment.trained[method].prefix_sizes else f"{method}_{code_size}"


def _encode(experiment: Experiment, name: str, keep_features: bool = False) -> None:
    """Encodes all images by a model."""
    encoder = encoding.Encoder(model_dir=experiment.path("models", name))
    for split in load_manifest(experiment.path("shards")).splits:
        encoding.encode_images(encoder, experiment.pattern(split), experiment.path("codes", name),
                               keep_features)
    keras.backend.clear_session()


def _codes_of(experiment: Experiment, method: str, code_size: int) -> tuple[EncodedImages, EncodedImages]:
    """Codes of the queries and of the index by a method, of a size."""
    queries, index = _read_codes(experiment, _name(experiment, method, code_size))
    return queries.cut(code_size), index.cut(code_size)


def _read_codes(experiment: Experiment, name: str) -> tuple[EncodedImages, EncodedImages]:
    """Codes of the queries and of the index, as they are stored."""
    folder = experiment.path("codes", name)
    index = [read_codes(os.path.join(folder, f"{split}-*")) for split in _index_splits(experiment)]
    return read_codes(os.path.join(folder, "test-*")), concatenate(index)


def _write_untrained(config: TrainConfig, model_dir: str) -> None:
    """A model directory as training finds it before its first step."""
    if os.path.exists(os.path.join(model_dir, model_files.CONFIG_FILE)):
        return
    keras.utils.set_random_seed(config.seed)
    model = build_hashing(config.model_config(), config.backbone_weights)
    model_files.write_untrained(model_dir, model, config.model_config(), num_classes=0)


def _with_codes(images: EncodedImages, encode, code_size: int) -> EncodedImages:
    bits = encode(images.features)
    return dataclasses.replace(images, packed_codes=codes.pack(bits), values=bits - np.float32(0.5),
                               config={**images.config, "code_size": code_size})


def _warnings(experiment: Experiment) -> list[str]:
    """What is to be said beside the figures: nothing where all networks start at random."""
    pretrained = any(config.backbone_weights != "none" for config in experiment.trained.values())
    return overlap.overlap_warnings([experiment.images.dataset] if pretrained else [])


def _shown_size(experiment: Experiment) -> int:
    return REAL_VALUED_SIZE if REAL_VALUED_SIZE in experiment.code_sizes else max(experiment.code_sizes)


def _changed(config: TrainConfig) -> dict[str, Any]:
    """Settings that differ from the defaults."""
    return {field.name: value for field in dataclasses.fields(config)
            if (value := getattr(config, field.name)) not in (field.default, "")
            and field.name != "backbone_weights"}
