"""What a hashing network is trained for: losses on codes, the optimizer, what stays frozen."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from delg.fitting.optimizers import build_optimizer
from delg.networks.backbone import freeze_batch_norm
from delg.settings.kinds import SCHEDULES
from hashing.training.asymmetric import DatabaseCodes
from hashing.training.config import CENTER_CODES, CENTER_LOSSES, MININGS, QUANTIZATIONS, TrainConfig
from hashing.training.losses import code_losses


class CodeLoss(keras.losses.Loss):
    """Sum of the weighted losses on the codes of a batch, or of a replica's part of it; each has its source.

    Where codes may be cut, it is the mean of this sum over their lengths, each with its own margin; triplets
    of shorter ones weigh more, as their distances are less.

    Args:
        config: weights and kinds.
        num_classes: C.
        centers: float32, [C, K], codes of classes; None: those that the settings name.

    Call arguments:
        y_true: int, [B] or [B, 1], labels in [0, C).
        y_pred: float, [B, K], values of the code layer before tanh.
    """

    def __init__(self, config: TrainConfig, num_classes: int, centers: np.ndarray | None = None):
        super().__init__(name="code_loss")
        self._config = config
        self._lengths = config.model_config().lengths
        self._mining = MININGS.get(config.mining)
        self._centers = centers
        if centers is None and config.center_weight:
            self._centers = CENTER_CODES[config.center_codes](num_classes, self._lengths, config.seed)

    def call(self, y_true, y_pred):
        labels = tf.reshape(tf.cast(y_true, tf.int32), [-1])
        return tf.add_n([self._of_length(labels, y_pred[:, :length], length)
                         for length in self._lengths]) / len(self._lengths)

    def _of_length(self, labels, logits, length):
        config, codes, total = self._config, tf.tanh(logits), tf.constant(0.0)
        if self._mining is not None and config.triplet_weight:
            margin = length * (config.margin / config.code_size or config.margin_per_bit)
            weight = config.triplet_weight * config.code_size / length  # its distances grow with the length
            total += weight * self._mining(labels, codes, margin, config)
        if config.center_weight:
            total += config.center_weight * CENTER_LOSSES[config.center_loss](
                labels, logits, self._centers[:, :length], config)
        for weight, loss in ((config.quantization_weight, QUANTIZATIONS[config.quantization]),
                             (config.balance_weight, code_losses.balance_loss),
                             (config.decorrelation_weight, code_losses.decorrelation_loss)):
            if weight:
                total += weight * loss(codes)
        return total


def compile_hashing(model: keras.Model, config: TrainConfig, num_classes: int,
                    database: DatabaseCodes | None = None) -> keras.Model:
    """The part of a hashing network that has losses, compiled; it shares the weights of `model`.

    Targets are class labels for `code_logits`, and for what lives only in training: `class_logits`, of a
    linear classifier on the codes, with a `classification_weight`, and `reconstruction`, what a linear layer
    on the codes before tanh lacks of the features, with a `reconstruction_weight`. A database adds `codes`.
    """
    outputs = {"code_logits": model.output["code_logits"]}
    terms = {"code_logits": (CodeLoss(config, num_classes), 1.0)}
    if config.classification_weight:
        outputs["class_logits"] = keras.layers.Dense(num_classes, dtype="float32", name="class_logits")(
            model.output["codes"])
        terms["class_logits"] = (keras.losses.SparseCategoricalCrossentropy(from_logits=True),
                                 config.classification_weight)
    if config.reconstruction_weight:
        features = model.output["features"]
        guess = keras.layers.Dense(features.shape[-1], dtype="float32", name="reconstructed")(
            outputs["code_logits"])
        outputs["reconstruction"] = keras.layers.Subtract(dtype="float32", name="reconstruction")(
            [guess, tf.stop_gradient(features)])
        terms["reconstruction"] = (lambda _, lacking: tf.reduce_mean(tf.square(lacking), axis=1),
                                   config.reconstruction_weight)
    if database is not None:
        outputs["codes"] = model.output["codes"]
        terms["codes"] = (database.loss, config.asymmetric_weight)
    part = keras.Model(model.input, outputs, name="hashing_objective")
    slow = ()
    if config.backbone_learning_rate_factor != 1:
        slow = [weight.name for weight in model.get_layer("backbone").trainable_weights]
    part.compile(
        optimizer=build_optimizer("adam", _learning_rate(config), weight_decay=config.weight_decay,
                                  clip_norm=config.clip_norm, slow_names=slow,
                                  slow_factor=config.backbone_learning_rate_factor, beta_2=config.beta_2),
        loss={name: loss for name, (loss, _) in terms.items()},
        loss_weights={name: weight for name, (_, weight) in terms.items()}, jit_compile=False)
    return part


def freeze(model: keras.Model, config: TrainConfig) -> None:
    """Fixes what these settings ask to keep: the backbone, or its BatchNorm in inference mode.

    Also sets the momentum of its statistics.
    """
    backbone = model.get_layer("backbone")
    if config.backbone_learning_rate_factor == 0:
        backbone.trainable = False
    if config.batch_norm_momentum:
        for network in backbone.layers:
            for layer in getattr(network, "layers", ()):
                if isinstance(layer, keras.layers.BatchNormalization):
                    layer.momentum = config.batch_norm_momentum
    if config.backbone_learning_rate_factor == 0 or config.freeze_batch_norm:
        freeze_batch_norm(backbone)


def with_targets(batches, config: TrainConfig):
    """Pairs (images, labels) as the pairs (images, targets) that the objective is fitted to."""
    names = ["code_logits", *(["class_logits"] if config.classification_weight else []),
             *(["reconstruction"] if config.reconstruction_weight else [])]
    return batches.map(lambda images, labels: (images, dict.fromkeys(names, labels)))


def _learning_rate(config: TrainConfig):
    if not config.num_steps:
        return config.learning_rate
    return SCHEDULES[config.schedule].build(config.learning_rate, config.num_steps, config.warmup_steps)
