"""Keeping the weights of the epoch that a measure finds best."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from absl import logging

from delg.networks import model_files


class BestWeights(keras.callbacks.Callback):
    """At the end of each epoch: measures the model, and keeps its weights if they are the best so far.

    Adds the score to the logs of the epoch, so that `history.csv` and TensorBoard show it.

    Args:
        model: the whole model, whose weights are kept.
        name: of the score, in the logs and in the "best" of `config.json`.
        measure: from the logs of an epoch to its score; None: there is none, and nothing is kept.
        is_better: whether a score, given first, is better than the best so far.
        model_dir: where `best.weights.h5` and `config.json` go.
        config: contents of `config.json`; its "best" is kept up to date: {"epoch", "step", name}.
    """

    def __init__(self, model: keras.Model, name: str, measure: Callable[[dict[str, Any]], float | None],
                 is_better: Callable[[float, float], bool], model_dir: str, config: dict[str, Any]):
        super().__init__()
        self.whole_model = model
        self.name = name
        self.measure = measure
        self.is_better = is_better
        self.model_dir = model_dir
        self.config = config

    def on_epoch_end(self, epoch, logs=None):
        self.keep(epoch, int(self.model.optimizer.iterations.numpy()), logs)

    def keep(self, epoch: int, step: int, logs: dict[str, Any]) -> None:
        """Measures the weights as they are, and keeps them if they are the best so far.

        Args:
            epoch: that has ended, from 0; -1: none has.
            step: of the training.
            logs: of the epoch; gets the score.
        """
        score = self.measure(logs)
        if score is None:
            return
        logs[self.name] = score = float(score)
        best = self.config["best"]
        logging.info("Epoch %d: %s %.4f (best before: %s).", epoch + 1, self.name, score,
                     f"{best[self.name]:.4f}" if best else "none")
        if best is None or self.is_better(score, best[self.name]):
            model_files.save_weights(self.whole_model, model_files.weight_path(self.model_dir, "best"))
            self.config["best"] = {"epoch": epoch, "step": step, self.name: score}
            model_files.write_config(self.model_dir, self.config)
