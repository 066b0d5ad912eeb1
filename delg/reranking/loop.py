"""Training of a re-ranker from feature shards to a SavedModel, taken up again after any interruption."""

from __future__ import annotations

import operator
import os
from typing import Any

import keras

from delg.features.reader import FeatureReader
from delg.fitting import resuming
from delg.fitting.optimizers import build_optimizer
from delg.fitting.run import BestWeights, Run, training
from delg.reranking.batches import PairBatches
from delg.reranking.export import export
from delg.reranking.network import build_reranker
from delg.reranking.training_pairs import TrainingPairs
from delg.settings.kinds import PAIR_TOKENS, SCHEDULES
from delg.settings.reranking import TrainRerankerConfig

EXPORT_DIR = "saved_model"  # in the folder of the model
_MAY_CHANGE = ("features", "index_dir")  # when a run is resumed


def train(config: TrainRerankerConfig) -> dict[str, Any]:
    """Trains a re-ranker, or goes on with the training that `config.model_dir` holds, to its last step.

    Writes `config.json` first, then at the end of each epoch `last.weights.h5`, `best.weights.h5` (by the
    loss on pairs of held-out landmarks; without them the last), `history.csv`, `events/` for TensorBoard and
    `backup/`, and last `saved_model/`, which a search takes. A killed run that is started again ends where an
    uninterrupted one ends.

    Args:
        config: the settings.

    Returns:
        Contents of the final `config.json`, see `model_files`; "features_fingerprint" is that of the model of
        the features, empty where the re-ranker serves any.

    Raises:
        FileNotFoundError: no shards, or no index.
        ValueError: settings, shards, index or an earlier run in `model_dir` contradict each other, or the
            loss stopped being a number.
    """
    with FeatureReader(config.features) as images:
        pairs = TrainingPairs(config, images)
        batches = PairBatches(config, images, pairs)
        of_model = PAIR_TOKENS[config.tokens].is_of_model
        made_of = config.model_config(images.local_dim if of_model else 0)
        stored = resuming.start_config(
            config, made_of, _MAY_CHANGE,
            features_fingerprint=images.config.get("fingerprint", "") if of_model else "")
        with training(config, stored) as run:
            model = build_reranker(made_of)
            compile_reranker(model, config)
            run.restore(model, model, kept=model)
            _fit(run, batches, batches.heldout() if pairs.has_heldout else None)
            if stored["best"] is None:
                run.save("best")
            if run.is_chief:
                export(config.model_dir, os.path.join(config.model_dir, EXPORT_DIR))
    return stored


def compile_reranker(model: keras.Model, config: TrainRerankerConfig) -> None:
    """Compiles a re-ranker for whether pairs match: binary cross-entropy, Adam with decoupled decay.

    Source of the loss: Reranking Transformers, https://arxiv.org/abs/2103.12236, equation 6.
    """
    rate = SCHEDULES["cosine"].build(config.learning_rate, config.num_steps, config.warmup_steps)
    model.compile(
        optimizer=build_optimizer("adam", rate, 0.0, config.weight_decay, config.clip_norm),
        loss={"logit": keras.losses.BinaryCrossentropy(from_logits=True)},
        metrics={"logit": keras.metrics.BinaryAccuracy(name="accuracy", threshold=0.0)}, jit_compile=False)
    model.compiled_loss.build(model.output)


def _fit(run: Run, batches: PairBatches, heldout) -> None:
    judges = [BestWeights(run, "val_loss", lambda logs: logs.get("val_loss"), operator.lt)] if heldout else []
    run.fit(batches.training, lambda: judges, validation_data=heldout, images_per_row=2)
