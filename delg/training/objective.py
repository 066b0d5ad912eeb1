"""What a DELG model is trained for: losses, their targets, the optimizer, and what stays frozen."""

from __future__ import annotations

import keras
import tensorflow as tf

from delg.fitting.optimizers import build_optimizer
from delg.networks.backbone import freeze_batch_norm
from delg.networks.delg import descriptor_model
from delg.settings.kinds import SCHEDULES, WHITENING_INITS
from delg.settings.training import TrainConfig
from delg.training import losses


def freeze(model: keras.Model, config: TrainConfig) -> None:
    """Fixes what these settings ask to keep: BatchNorm of the backbone, in inference mode; with
    `backbone_learning_rate_factor` 0 the whole backbone, and the whitening if it was given its values.
    """
    frozen = config.backbone_learning_rate_factor == 0
    if not frozen and not config.freeze_batch_norm:
        return
    backbone = model.get_layer("backbone")
    if frozen:
        backbone.trainable = False
        model.get_layer("whitening").trainable = config.whitening_init not in WHITENING_INITS
    freeze_batch_norm(backbone)


def _slow_weights(model: keras.Model, config: TrainConfig) -> list[str]:
    """Names of the weights that take `backbone_learning_rate_factor` of each step."""
    names = ("backbone", "whitening") if config.whitening_init in WHITENING_INITS else ("backbone",)
    return [weight.name for name in names for weight in model.get_layer(name).trainable_weights]


def compile_delg(model: keras.Model, config: TrainConfig) -> keras.Model:
    """The part of a DELG model that has losses, compiled; it shares the weights of `model`.

    Its targets are a dict: class labels [B] for `global_cosines` and `attention_logits`, anything [B] for
    `reconstruction_error`. Each loss is the mean over the global batch, however many replicas share it.

    Args:
        model: from `build_delg`.
        config: weights and kinds of the losses, optimizer and its schedule.
    """
    global_loss = losses.CosineSoftmaxLoss(config.global_loss, config.margin, config.scale)
    terms = {"global_cosines": (global_loss, 1.0),
             "attention_logits": (losses.AttentionLoss(), config.attention_loss_weight)}
    if config.use_autoencoder:
        terms["reconstruction_error"] = losses.MeanOutputLoss(), config.reconstruction_loss_weight
    part = descriptor_model(model, tuple(terms))
    part.compile(
        optimizer=build_optimizer(
            config.optimizer,
            SCHEDULES[config.schedule].build(config.learning_rate, config.num_steps, config.warmup_steps),
            config.momentum, config.weight_decay, config.clip_norm,
            _slow_weights(model, config) if config.backbone_learning_rate_factor != 1 else (),
            config.backbone_learning_rate_factor),
        loss={name: loss for name, (loss, _) in terms.items()},
        loss_weights={name: weight for name, (_, weight) in terms.items()},
        metrics={name: keras.metrics.SparseCategoricalAccuracy(name="accuracy")
                 for name in ("global_cosines", "attention_logits")},
        jit_compile=False)
    # Keras 2 would make its metrics in the first step, and trace the second step again.
    part.compiled_loss.build(part.output)
    return part


def with_targets(dataset: tf.data.Dataset, use_autoencoder: bool) -> tf.data.Dataset:
    """Pairs (images, labels) as the pairs (images, targets) that the model of `compile_delg` is fitted to."""
    def to_targets(images, labels):
        targets = {"global_cosines": labels, "attention_logits": labels}
        if use_autoencoder:
            targets["reconstruction_error"] = tf.zeros_like(labels, tf.float32)
        return images, targets

    return dataset.map(to_targets)
