"""Training of the last layers alone, on what the layers before them give, computed once.

First the code layer on stored features; then it and the top of the backbone, all that lies behind its local
map, on stored maps; last, after all other steps, the code layer anew, from ITQ of what the trained backbone
gives. A step on features takes a thousandth of a step through the whole network, a step on maps of
mobilenet_v2 a sixth. On small sets such steps are all that is needed, on others a good start.
"""

from __future__ import annotations

import dataclasses

import keras
import numpy as np
import tensorflow as tf
from absl import logging

from data_prep.records import pipeline
from data_prep.records.class_batches import ClassBatches
from hashing.codes import baselines
from hashing.training.asymmetric import DatabaseCodes
from hashing.training.batches import training_batches
from hashing.training.config import TrainConfig
from hashing.training.objective import compile_hashing, with_targets

_MAX_BYTES = 2 * 10**9  # of stored values; chosen
_SETTLE_WHITENING = 0.5  # of principal components, before ITQ; docs/decisions/0087


def train_last_layers(model: keras.Model, config: TrainConfig, num_classes: int) -> None:
    """Fits the code layer for `head_steps` steps, then with the top of the backbone for `top_steps` steps.

    All other layers stay as they are.

    Args:
        model: from `build_hashing`; changed in place.
        config: settings of the whole training.
        num_classes: C.

    Raises:
        ValueError: weights did not stay finite.
    """
    early, top = _parts(model, config)
    stored, labels = stored_outputs(early, config)
    logging.info("Training the last layers on %d views.", len(stored))
    if config.head_steps:
        features = stored if top is None else _predict(top, stored, config.batch_size)
        head = _with_codes(model, keras.Input(features.shape[1:], name="features"))
        _fit(head, features, labels, config, num_classes, "head")
    if config.top_steps:
        pretrained = top.get_weights()
        _fit(_with_codes(model, top.input, top.output), stored, labels, config, num_classes, "top")
        if config.top_share < 1:  # else as the steps left it, to the last digit
            top.set_weights([before + config.top_share * (after - before)
                             for before, after in zip(pretrained, top.get_weights())])
    if config.settle_steps and not config.num_steps:
        features = stored if top is None else _predict(top, stored, config.batch_size)
        _settle(model, features, labels, config, num_classes)


def settle_codes(model: keras.Model, config: TrainConfig, num_classes: int) -> None:
    """Fits the code layer for `settle_steps` steps, from ITQ of the features of the trained network.

    A layer that grew with the backbone tells trained classes apart and little else. One that begins as ITQ
    keeps what the features know of other classes.

    Args:
        model: from `build_hashing`; changed in place.
        config: settings of the whole training.
        num_classes: C.

    Raises:
        ValueError: weights did not stay finite.
    """
    features, labels = stored_outputs(keras.Model(model.input, model.output["features"]), config)
    _settle(model, features, labels, config, num_classes)


def _settle(model: keras.Model, features: np.ndarray, labels: np.ndarray, config: TrainConfig,
            num_classes: int) -> None:
    start_as_itq(model, features, config.model_config().lengths, config.seed)
    head = _with_codes(model, keras.Input(features.shape[1:], name="features"))
    _fit(head, features, labels, cosines_alone(config), num_classes, "settle")


def cosines_alone(config: TrainConfig) -> TrainConfig:
    """The same settings with cosines with class centres as what codes learn by, from ITQ.

    Pairs would undo ITQ, and what asks for each bit would draw unseen classes to the codes of seen ones.
    """
    return dataclasses.replace(config, mining="none", center_loss="cosine", classification_weight=0.0,
                               asymmetric_weight=0.0)


def start_as_itq(model: keras.Model, features: np.ndarray, lengths: tuple[int, ...], seed: int,
                 whitening: float = _SETTLE_WHITENING) -> None:
    """Sets the code layer to ITQ of features, each bit at unit variance.

    The bits that a length adds to the one before are of an ITQ of as many principal components as that
    length has bits, so that short codes keep to the first ones. Components are whitened in part, or the
    trained classes would fill all bits with what tells them apart.

    Args:
        model: from `build_hashing`; of its K bits those stay that a length adds beyond the number or the
            size of features.
        features: float, [N, D].
        lengths: ascending, the last is K.
        seed: of the first rotations of ITQ.
        whitening: power of a component's standard deviation that it is divided by.
    """
    features = features.astype(np.float32)
    kernel, bias = model.get_layer("code_layer").get_weights()
    for start, end in zip((0, *lengths), lengths):
        size = min(end, *features.shape)
        matrix, offset = baselines.fit_projection("itq", features, size, seed + start, whitening)
        matrix, offset = matrix[:, :end - start], offset[:end - start]
        deviation = np.maximum((features @ matrix).std(axis=0), 1e-6)
        bits = slice(start, start + len(offset))
        kernel[:, bits], bias[bits] = matrix / deviation, offset / deviation
    model.get_layer("code_layer").set_weights([kernel, bias])
    for layer in model.layers:
        if layer.name == "code_norm":
            ones, zeros = np.ones_like(bias), np.zeros_like(bias)
            layer.set_weights([ones, zeros, zeros, ones])  # scale, offset, mean and variance


def stored_outputs(part: keras.Model, config: TrainConfig) -> tuple[np.ndarray, np.ndarray]:
    """What the first layers give for `config.head_views` random views of each training image.

    Args:
        part: from images to one tensor.
        config: settings of the whole training.

    Returns:
        outputs: float16, [N, ...], 2 GB at most.
        labels: int32, [N].
    """
    compute = tf.function(lambda images: tf.cast(part(images, training=False), tf.float16))
    bytes_per_view = 2 * int(np.prod(part.output_shape[1:]))
    num_views = min(config.head_views * pipeline.count_examples(config.train_pattern),
                    _MAX_BYTES // bytes_per_view)
    if config.max_head_views:
        num_views = min(num_views, config.max_head_views)
    views = dataclasses.replace(config, images_per_class=0)
    found = [(compute(images).numpy(), labels.numpy()) for images, labels
             in training_batches(views).take(max(1, -(-num_views // config.batch_size)))]
    outputs, labels = zip(*found)
    return np.concatenate(outputs), np.concatenate(labels)


def _parts(model: keras.Model, config: TrainConfig) -> tuple[keras.Model, keras.Model | None]:
    """The layers whose outputs are stored, and from those to the features; None: they are the features."""
    if not config.top_steps:
        return keras.Model(model.input, model.output["features"]), None
    backbone = model.get_layer("backbone")
    taps = backbone.get_layer(config.backbone).output
    early = keras.Model(model.input, backbone(model.input)["local"])
    maps = keras.Input(early.output_shape[1:], name="maps")
    deep = keras.Model(taps["local"], taps["global"], name="backbone")(maps)
    return early, keras.Model(maps, model.get_layer("features")(model.get_layer("pooling")(deep)))


def _predict(part: keras.Model, inputs: np.ndarray, batch_size: int) -> np.ndarray:
    compute = tf.function(lambda values: tf.cast(part(values, training=False), tf.float16))
    return np.concatenate([compute(tf.cast(inputs[start:start + batch_size], tf.float32)).numpy()
                           for start in range(0, len(inputs), batch_size)])


def _with_codes(model: keras.Model, inputs, features=None) -> keras.Model:
    """From `inputs`, by way of `features` if they are others, to the codes, through the layers of `model`."""
    values = inputs if features is None else features
    for name in ("code_layer", "code_norm"):
        if any(layer.name == name for layer in model.layers):
            values = model.get_layer(name)(values)
    return keras.Model(inputs, {"codes": model.get_layer("codes")(values), "code_logits": values,
                                "features": inputs if features is None else features})


def _fit(part: keras.Model, inputs: np.ndarray, labels: np.ndarray, config: TrainConfig, num_classes: int,
         phase: str) -> None:
    """Fits a part of the network for the steps and the rate of a phase, which is head, top or settle."""
    steps, rate = getattr(config, f"{phase}_steps"), getattr(config, f"{phase}_learning_rate")
    # A layer that starts at random needs no warm-up, and no share: it is not of the backbone.
    warmup, factor = (steps // 20, config.backbone_learning_rate_factor) if phase == "top" else (0, 1.0)
    config = dataclasses.replace(config, num_steps=steps, learning_rate=rate, schedule="cosine",
                                 warmup_steps=warmup, backbone_learning_rate_factor=factor, top_share=1.0)
    rows = _rows(labels, config)
    batches = with_targets(_batches(inputs, labels, rows), config)
    database = None
    if config.asymmetric_weight:
        database = DatabaseCodes(part, inputs, labels, rows, config)
        batches = database.with_rows(batches)
    objective = compile_hashing(part, config, num_classes, database)
    objective.fit(batches, steps_per_epoch=steps, epochs=1, verbose=0,
                  callbacks=[database] if database else [])
    if not all(np.all(np.isfinite(weight)) for weight in objective.get_weights()):
        raise ValueError(f"The {phase} must stay finite; lower `{phase}_learning_rate`. "
                         f"Received: {phase}_learning_rate={rate}.")


def _rows(labels: np.ndarray, config: TrainConfig) -> np.ndarray:
    """Places of the stored values of `num_steps` batches, of P classes x K images where settings say so."""
    size, per_class, num_steps = config.batch_size, config.images_per_class, config.num_steps
    if per_class:
        take = ClassBatches(labels, size // per_class, per_class, config.seed).take
        return np.stack([take(step).numbers for step in range(num_steps)])
    generator = np.random.default_rng(config.seed)
    return np.stack([generator.choice(len(labels), size, replace=False) for _ in range(num_steps)])


def _batches(inputs: np.ndarray, labels: np.ndarray, rows: np.ndarray) -> tf.data.Dataset:
    """Batches of stored values and labels."""
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    held = tf.constant(inputs), tf.constant(labels)
    return tf.data.Dataset.from_tensor_slices(rows).map(
        lambda chosen: (tf.cast(tf.gather(held[0], chosen), tf.float32), tf.gather(held[1], chosen))
    ).with_options(options)
