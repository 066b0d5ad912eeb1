"""What happens while a VAE trains, beside the callbacks of delg: one event, one callback."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from vae.latents.domain_statistics import DomainStatistics
from vae.networks.config import DOMAINS


def plateau_rate(losses: Sequence[float], learning_rate: float, patience: int, factor: float) -> float:
    """Learning rate after epochs of these validation losses.

    After `patience` epochs without a loss below the lowest so far it is multiplied by `factor`, and the
    count begins again.

    Args:
        losses: of the epochs done.
        learning_rate: of the first epoch.
        patience: epochs; 0: the rate never falls.
        factor: in (0, 1).
    """
    best, waited = float("inf"), 0
    for loss in losses:
        waited = 0 if loss < best else waited + 1
        best = min(best, loss)
        if patience and waited == patience:
            learning_rate, waited = learning_rate * factor, 0
    return learning_rate


class Plateau(keras.callbacks.Callback):
    """Sets the learning rate of each epoch by the validation losses in `history.csv` before it.

    It is read once, at the first epoch: a resumed training has the rate of an uninterrupted one. It follows
    the validation loss; the original followed the training loss.

    Args:
        model_dir: where `history.csv` is.
        learning_rate, patience, factor: see `plateau_rate`.
    """

    def __init__(self, model_dir: str, learning_rate: float, patience: int, factor: float):
        super().__init__()
        self.path = os.path.join(model_dir, "history.csv")
        self.settings = (learning_rate, patience, factor)
        self._losses: list[float] | None = None  # of the epochs done

    def on_epoch_begin(self, epoch, logs=None):
        if self._losses is None:
            self._losses = []
            if epoch and os.path.exists(self.path):
                history = pd.read_csv(self.path)
                if "val_loss" in history:
                    self._losses = history["val_loss"][history["epoch"] < epoch].tolist()
        self.model.optimizer.learning_rate.assign(plateau_rate(self._losses, *self.settings))

    def on_epoch_end(self, epoch, logs=None):
        if "val_loss" in (logs or {}):
            self._losses.append(float(logs["val_loss"]))


class CentreLatents(keras.callbacks.Callback):
    """At the end of each epoch: the mean latent of either domain over whole training images, and with
    `whiten_latent` the covariance of channels, with `weigh_parts` how far parts agree across the domains.

    The moving means of training are of crops and lag behind the weights.

    Args:
        vae: with `center_latent`.
        descriptor_grid: of its descriptors.
        batches: of `day_night_images`.
    """

    def __init__(self, vae: keras.Model, descriptor_grid: int, batches: tf.data.Dataset):
        super().__init__()
        self._supports_tf_logs = True
        self.statistics = DomainStatistics(vae, descriptor_grid)
        self.batches = batches

    def on_epoch_end(self, epoch, logs=None):
        self.statistics.measure(self.batches)


class PictureSummaries(keras.callbacks.Callback):
    """At the end of each epoch: a picture per domain, see `picture_grid`.

    Args:
        writer: of the event file.
        functions: see `latents.image_functions`.
        images: domain to uint8 [n, H, W, 3], the same at each epoch.
    """

    def __init__(self, writer: tf.summary.SummaryWriter, functions: dict[str, Callable],
                 images: dict[str, np.ndarray]):
        super().__init__()
        self._supports_tf_logs = True
        self.writer = writer
        self.functions = functions
        self.images = images

    def on_epoch_end(self, epoch, logs=None):
        with self.writer.as_default(step=int(self.model.optimizer.iterations.numpy())):
            for domain in DOMAINS:
                tf.summary.image(domain, picture_grid(self.functions, self.images[domain], domain)[None])
        self.writer.flush()


def picture_grid(functions: dict[str, Callable], images: np.ndarray,
                 domain: str) -> np.ndarray:
    """Images, a row each, beside their reconstruction, cycle and translation.

    Args:
        functions: see `latents.image_functions`.
        images: uint8, [n, H, W, 3].
        domain: of the images.

    Returns:
        uint8, [n * H, 4 * W, 3].
    """
    columns = [images, *(functions[f"{name}_{domain}"](tf.constant(images)).numpy()
                         for name in ("reconstruct", "cycle", "translate"))]
    return np.concatenate(np.concatenate(columns, axis=2), axis=0)
