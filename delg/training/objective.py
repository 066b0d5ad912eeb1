"""What a DELG model is trained for: losses, their targets, the optimizer, and what stays frozen."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from delg.fitting.optimizers import build_optimizer
from delg.networks import layers
from delg.networks.backbone import freeze_batch_norm
from delg.networks.delg import descriptor_model
from delg.settings.kinds import SCHEDULES, WHITENING_INITS
from delg.settings.training import TrainConfig
from delg.training import class_losses, losses
from delg.training.accumulation import PartedBatches

CLASSIFIERS = ("global_cosines", "attention_logits")  # outputs that are scores of classes


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


def pretrained_layers(model: keras.Model, config: TrainConfig) -> list[keras.layers.Layer]:
    """The layers that do not begin at random: the backbone, and a whitening that was given its values."""
    names = ("backbone", "whitening") if config.whitening_init in WHITENING_INITS else ("backbone",)
    return [model.get_layer(name) for name in names]


def _slow_weights(model: keras.Model, config: TrainConfig) -> list[str]:
    """Names of the weights that take `backbone_learning_rate_factor` of each step."""
    return [weight.name for layer in pretrained_layers(model, config) for weight in layer.trainable_weights]


def compile_delg(model: keras.Model, config: TrainConfig, start: keras.Model | None = None,
                 class_margins: np.ndarray | None = None) -> keras.Model:
    """The part of a DELG model that has losses, compiled; it shares the weights of `model`.

    Its targets are a dict: class labels [B] for `global_cosines` and `attention_logits`, anything [B] for
    `reconstruction_error` and `descriptor_change`. Each loss is the mean over the global batch, however many
    replicas share it.

    Args:
        model: from `build_delg`.
        config: weights and kinds of the losses, optimizer and its schedule.
        start: model like it that is not trained, from whose global descriptor that of `model` is held back
            where `distillation_weight` is above 0. Source: LDIFS, https://arxiv.org/abs/2308.13320.
        class_margins: float, [C], margin of each class; None: `margin` is that of all.
    """
    global_loss = losses.CosineSoftmaxLoss(config.global_loss, config.margin, config.scale, class_margins)
    terms = {"global_cosines": (global_loss, 1.0),
             "attention_logits": (losses.AttentionLoss(), config.attention_loss_weight)}
    if config.use_autoencoder:
        terms["reconstruction_error"] = losses.MeanOutputLoss(), config.reconstruction_loss_weight
    part = descriptor_model(model, tuple(terms))
    optimizer = _optimizer(model, config)
    if config.classifier != "full":
        part = _with_class_losses(part, {name: terms[name][0].logits for name in CLASSIFIERS}, config,
                                  optimizer)
        terms.update({name: (class_losses.FirstColumnLoss(), terms[name][1]) for name in CLASSIFIERS})
    if config.distillation_weight:
        terms["descriptor_change"] = losses.MeanOutputLoss(), config.distillation_weight
        part = _with_change(model, part, start)
    if config.accumulate_steps > 1:
        part = PartedBatches(part.input, part.output, config.accumulate_steps, name=part.name)
    part.compile(
        optimizer=optimizer,
        loss={name: loss for name, (loss, _) in terms.items()},
        loss_weights={name: weight for name, (_, weight) in terms.items()},
        metrics={name: class_losses.accuracy() if config.classifier != "full"
                 else keras.metrics.SparseCategoricalAccuracy(name="accuracy") for name in CLASSIFIERS},
        steps_per_execution=config.steps_per_execution, jit_compile=False)
    # Keras 2 would make its metrics in the first step, and trace the second step again.
    part.compiled_loss.build(part.output)
    return part


def _optimizer(model: keras.Model, config: TrainConfig) -> keras.optimizers.Optimizer:
    return build_optimizer(
        config.optimizer,
        SCHEDULES[config.schedule].build(config.scaled_learning_rate, config.num_steps, config.warmup_steps),
        config.momentum, config.weight_decay, config.clip_norm,
        _slow_weights(model, config) if config.backbone_learning_rate_factor != 1 else (),
        config.backbone_learning_rate_factor, ema_momentum=config.ema_momentum)


def _with_class_losses(part: keras.Model, to_logits: dict[str, Callable], config: TrainConfig,
                       optimizer: keras.optimizers.Optimizer) -> keras.Model:
    """`part` with losses of its classifiers, of `row_classifiers`, in the place of the scores of all classes.

    It takes the labels too.
    """
    labels = keras.Input((), name="labels", dtype="int32")
    outputs = dict(part.output)
    rate = config.negative_sample_rate if config.classifier == "sampled" else 1.0
    for name, function in to_logits.items():
        classifier = part.get_layer(name)
        outputs[name] = class_losses.ClassLoss(
            classifier, function, rate, config.seed, lambda: optimizer.iterations, name=name)(
                [classifier.input, labels])
    return keras.Model({"images": part.input, "labels": labels}, outputs, name=part.name)


def _with_change(model: keras.Model, part: keras.Model, start: keras.Model) -> keras.Model:
    """`part` of `model` with one output more: how far the global descriptor went from that of `start`."""
    start.trainable = False
    at_start = descriptor_model(start)(model.input, training=False)
    change = layers.CosineDistance(name="descriptor_change")(
        [model.output["global_descriptor"], at_start["global_descriptor"]])
    return keras.Model(part.input, {**part.output, "descriptor_change": change}, name=part.name)


def with_targets(dataset: tf.data.Dataset, config: TrainConfig) -> tf.data.Dataset:
    """Pairs (images, labels) as the pairs (inputs, targets) that the model of `compile_delg` is fitted to."""
    errors = {"reconstruction_error": config.use_autoencoder,
              "descriptor_change": config.distillation_weight > 0}

    def to_targets(images, labels):
        inputs = images if config.classifier == "full" else {"images": images, "labels": labels}
        return inputs, {"global_cosines": labels, "attention_logits": labels,
                        **{name: tf.zeros_like(labels, tf.float32) for name, has in errors.items() if has}}

    return dataset.map(to_targets)
