"""Promises that every model keeps: each model is one entry of MODELS, each promise one test over them all."""

from __future__ import annotations

import os
import tempfile
import unittest
from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from delg.networks.backbones.resnet18 import build_resnet18
from delg.networks.delg import build_delg
from delg.settings.model import ModelConfig
from delg.settings.training import TrainConfig
from delg.training.objective import compile_delg, freeze, with_targets
from tests.fixtures.replicas import two_replicas

_BATCH = 4


class Model(NamedTuple):
    """A tiny model, what it gives for images [4, 32, 32, 3], and how it is trained."""

    build: Callable[[bool], keras.Model]  # of: whether replicas share BatchNorm statistics
    output_shapes: dict[str, tuple[int, ...]]
    compile: Callable[[keras.Model], keras.Model]  # the part that is fitted
    dataset: Callable[[], tf.data.Dataset]
    unmoved: tuple[str, ...]  # beginnings of the names of weights that training must not move


def _images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (_BATCH, 32, 32, 3), dtype=np.uint8)


def _delg() -> Model:
    config = ModelConfig(num_classes=3, backbone="resnet18", width=0.125, embedding_dim=6, attention_dim=8,
                         autoencoder_dim=4)
    shapes = {"global_descriptor": (_BATCH, 6), "global_cosines": (_BATCH, 3),
              "attention_logits": (_BATCH, 3), "attention_scores": (_BATCH, 2, 2, 1),
              "local_descriptors": (_BATCH, 2, 2, 4), "reconstruction_error": (_BATCH,)}

    def compile_tiny(model: keras.Model) -> keras.Model:
        settings = TrainConfig("shards", "model_dir", backbone="resnet18", learning_rate=0.1, num_steps=10,
                               freeze_batch_norm=True)
        freeze(model, settings)
        return compile_delg(model, settings)

    def dataset() -> tf.data.Dataset:
        pairs = tf.data.Dataset.from_tensor_slices((_images(), np.int32([0, 1, 2, 0])))
        return with_targets(pairs.batch(_BATCH, drop_remainder=True), use_autoencoder=True)

    batch_norms = tuple(layer.name for layer in build_resnet18(0.125).layers if layer.name.endswith("_bn"))
    return Model(lambda shared: build_delg(config, synchronized=shared), shapes, compile_tiny, dataset,
                 unmoved=("gem_pooling", *batch_norms))


MODELS = {"delg": _delg()}


def _serving(model: keras.Model) -> tf.Module:
    module = tf.Module()
    module.model = model
    module.serve = tf.function(lambda images: model(images, training=False),
                               input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8)])
    return module


class ConformanceTest(unittest.TestCase):
    def _for_each(self, check: Callable[[Model], None]):
        for name, case in MODELS.items():
            with self.subTest(name):
                check(case)

    def _assert_equal_outputs(self, expected, found, **tolerance):
        self.assertEqual(set(found), set(expected))
        for name in expected:
            np.testing.assert_allclose(found[name], expected[name], err_msg=name, **tolerance)

    def test_named_output_shapes(self):
        def check(case):
            outputs = case.build(False)(_images())
            shapes = {name: tuple(value.shape) for name, value in outputs.items()}
            self.assertEqual(shapes, case.output_shapes)

        self._for_each(check)

    def test_config_round_trip(self):
        def check(case):
            model = case.build(False)
            copy = keras.Model.from_config(model.get_config())
            copy.set_weights(model.get_weights())
            self._assert_equal_outputs(model(_images()), copy(_images()))

        self._for_each(check)

    def test_saved_and_loaded_model_gives_the_same(self):
        def check(case):
            model = case.build(False)
            with tempfile.TemporaryDirectory() as folder:
                path = os.path.join(folder, "model.keras")
                model.save(path)
                copy = keras.models.load_model(path)
            self._assert_equal_outputs(model(_images()), copy(_images()))

        self._for_each(check)

    def test_saved_model_gives_the_same(self):
        def check(case):
            model = case.build(False)
            with tempfile.TemporaryDirectory() as folder:
                tf.saved_model.save(_serving(model), folder)
                copy = tf.saved_model.load(folder)
                outputs = copy.serve(tf.constant(_images()))
            self._assert_equal_outputs(model(_images()), outputs, rtol=1e-4, atol=1e-5)

        self._for_each(check)

    def test_a_step_on_two_replicas_moves_what_it_should(self):
        def check(case):
            with two_replicas().scope():
                model = case.build(True)
                part = case.compile(model)
            before = [weight.numpy() for weight in model.weights]
            part.fit(case.dataset(), verbose=0)
            moved = {weight.name: bool(np.any(weight.numpy() != value))
                     for weight, value in zip(model.weights, before)}
            kept = [name for name in moved if name.startswith(case.unmoved)]
            self.assertEqual([name for name in kept if moved[name]], [])
            self.assertGreater(np.mean([moved[name] for name in moved if name not in kept]), 0.95)

        self._for_each(check)
