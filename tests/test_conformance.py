"""Promises that every model keeps: each model is one entry of MODELS, and one test holds it to them all.

Promises that are not about the backbone are kept on one of two convolutions. Backbones of one width are too
large to be saved again and again in `make test`: there, what stands on them is held to its outputs, which are
what the record of the backbone decides. `make conformance` holds DELG and hashing on each of them to all.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import re
import tempfile
import unittest
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple
from unittest import mock

import keras
import numpy as np
import tensorflow as tf

from delg.exports.extraction_module import ExtractionModule
from delg.fitting.optimizers import build_optimizer
from delg.networks import backbone
from delg.networks.backbones.convnext import build_convnext
from delg.networks.backbones.vit import build_vit
from delg.networks.delg import build_delg
from delg.reranking.export import PairModule
from delg.reranking.loop import compile_reranker
from delg.reranking.network import build_reranker
from delg.reranking.pair_inputs import input_specs
from delg.settings.kinds import BACKBONES, PAIR_TOKENS
from delg.settings.model import ModelConfig
from delg.settings.reranking import RerankerConfig, TrainRerankerConfig
from delg.settings.training import TrainConfig
from delg.training.objective import compile_delg, freeze, with_targets
from hashing.codes.code_module import CodeModule
from hashing.networks.config import ModelConfig as HashingConfig
from hashing.networks.model import build_hashing
from hashing.training import objective as hashing_objective
from hashing.training.config import TrainConfig as HashingTrainConfig
from tests.fixtures import lean
from tests.fixtures.replicas import two_replicas
from tests.fixtures.tiny_backbone import in_place_of_dinov2, in_place_of_resnet18, in_place_of_vit_b16
from vae.latents.export import DayNightModule
from vae.networks.config import ModelConfig as VaeConfig
from vae.networks.discriminators import build_domain_classifier, build_image_discriminator
from vae.networks.model import build_vae
from vae.networks.stems import build_stem
from vae.training.config import preset
from vae.training.objective import DayNightObjective
from vae.weighting.channel_weights import build_weighting

_EVERY_BACKBONE = bool(os.environ.get("EVERY_BACKBONE"))  # set by `make conformance`
# Small ones stand for them, and `tests/delg/networks/` for EfficientNetV2.
_LARGE = ("dinov2_vitb14", "dinov2_vitl14", "convnext_tiny", "efficientnetv2")
_HUGE = "dinov2_vitl14"  # gigabytes in every copy that a promise needs: no promise but its outputs is tried
_LAYER_NORM = r"layer_?norm|_norm\d?$"  # in names of layers
_BATCH = 4
_LABELS = np.int32([0, 1, 2, 0])


class Model(NamedTuple):
    """A tiny model, and what it gives."""

    build: Callable[[], keras.Model]
    inputs: Any  # arrays, nested as the model takes them
    output_shapes: Any  # nested as the model gives them


class Training(NamedTuple):
    """How a tiny model is trained, and what a step must leave alone."""

    compile: Callable[[], tuple[keras.Model, keras.Model]]  # the whole model and what is fitted
    dataset: Callable[[], tf.data.Dataset]
    stays: Callable[[str], bool]  # of the name of a weight


def _random(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 1, (_BATCH, *shape)).astype(np.float32)


def _images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (_BATCH, 32, 32, 3), dtype=np.uint8)


_DELG = ModelConfig(num_classes=3, backbone="resnet18", width=0.125, embedding_dim=6, attention_dim=8,
                    autoencoder_dim=4)
_REGIONAL = dataclasses.replace(_DELG, global_pooling="regional_gem")
_CLASS_TOKEN = dataclasses.replace(_DELG, backbone="dinov2_vits14", width=1.0, local_stride=0,
                                   global_pooling="cls_gem")
_DELG_SHAPES = {"global_descriptor": (_BATCH, 6), "global_cosines": (_BATCH, 3),
                "attention_logits": (_BATCH, 3), "attention_scores": (_BATCH, 2, 2, 1),
                "local_descriptors": (_BATCH, 2, 2, 4), "reconstruction_error": (_BATCH,)}
_RERANKERS = {tokens: RerankerConfig(8, tokens, num_features=6, num_matches=5, width=8, num_heads=2, depth=1)
              for tokens in PAIR_TOKENS}
_HASHING = HashingConfig(backbone="resnet18", width=0.125, image_size=32, code_size=16, code_batch_norm=True)
_ON_TRANSFORMER = HashingConfig(backbone="vit_b16", image_size=32, code_size=16)
_VAE = VaeConfig(image_size=16, width=1 / 32, input_normalization="local", learn_variance=True,
                 center_latent=True, whiten_latent=True, weigh_parts=True)
_VAE_LAYERS = ("shared_1_conv1", "shared_1_relu", "shared_1_conv2", "shared_1_out", "shared_2_conv1",
               "shared_2_relu", "shared_2_conv2", "latent", "log_variance")
_LATENT, _PICTURE = (_BATCH, 4, 4, 8), (_BATCH, 16, 16, 3)


def _delg(config: ModelConfig = _DELG, by_rows: bool = False) -> keras.Model:
    with in_place_of_resnet18(), in_place_of_dinov2():
        return build_delg(config, by_rows=by_rows)


def _hashing_shapes(num_features: int) -> dict[str, tuple[int, int]]:
    return {"codes": (_BATCH, 16), "code_logits": (_BATCH, 16), "features": (_BATCH, num_features)}


def _hashing(config: HashingConfig = _HASHING) -> keras.Model:
    with in_place_of_resnet18(), in_place_of_vit_b16():
        return build_hashing(config)


def _pairs() -> dict[str, np.ndarray]:
    """Inputs of a re-ranker: cosines of descriptors that are above 0 are below 1, as of unit vectors."""
    generator = np.random.default_rng(0)
    return {name: np.ones(shape, bool) if spec.dtype == tf.bool else
            generator.uniform(-0.3, 0.3, shape).astype(np.float32)
            for name, spec in input_specs(6, 8).items() for shape in [(_BATCH, *spec.shape[1:])]}


def _stem() -> keras.Model:
    with in_place_of_resnet18():
        return build_stem("resnet18", 0.125)


def _dinov2() -> keras.Model:
    with in_place_of_dinov2():
        return backbone.build_network("dinov2_vits14_reg", weights="none")


@functools.cache
def _vae() -> keras.Model:
    return build_vae(_VAE)


def _vae_models() -> Iterator[tuple[str, Model]]:
    pictures = {domain: _images()[:, :16, :16] for domain in ("day", "night")}
    yield "vae", Model(_vae, pictures, {
        **dict.fromkeys(("day_latent", "night_latent"), _LATENT),
        **dict.fromkeys(("day_reconstruction", "night_reconstruction", "day_to_night", "night_to_day"),
                        _PICTURE)})
    for name, inputs, shapes in (
            ("day_lower_encoder", _random(16, 16, 3), _LATENT),
            ("night_lower_encoder", _random(16, 16, 3), _LATENT),
            ("upper_encoder", _random(4, 4, 8), dict.fromkeys(_VAE_LAYERS, _LATENT)),
            ("lower_decoder", _random(4, 4, 8), _LATENT),
            ("day_upper_decoder", _random(4, 4, 8), _PICTURE),
            ("night_upper_decoder", _random(4, 4, 8), _PICTURE)):
        yield f"vae: {name}", Model(lambda name=name: _vae().get_layer(name), inputs, shapes)


MODELS = {
    "delg": Model(_delg, _images(), _DELG_SHAPES),
    "delg of regional pooling": Model(lambda: _delg(_REGIONAL), _images(), _DELG_SHAPES),
    "delg of a class token": Model(lambda: _delg(_CLASS_TOKEN), _images(), _DELG_SHAPES),
    "delg of many classes": Model(lambda: _delg(dataclasses.replace(_DELG, num_subcenters=2), by_rows=True),
                                  _images(), _DELG_SHAPES),
    "hashing": Model(_hashing, _images(), _hashing_shapes(16)),
    "hashing on a transformer": Model(lambda: _hashing(_ON_TRANSFORMER), _images(), _hashing_shapes(8)),
    "resnet18": Model(lambda: backbone.build_network("resnet18", 0.125, "none"), _random(32, 32, 3),
                      (_BATCH, 1, 1, 64)),
    "vision transformer": Model(lambda: build_vit(16, 32, width=8, depth=1, num_heads=2, mlp_dim=8),
                                _random(32, 32, 3), (_BATCH, 8)),
    "convnext": Model(lambda: build_convnext("convnext", (1, 1, 2, 1), (4, 6, 8, 10)), _random(32, 45, 3),
                      (_BATCH, 1, 1, 10)),
    "dinov2": Model(_dinov2, _random(32, 45, 3),
                    {"patch_map": (_BATCH, 2, 3, 16), "class_descriptor": (_BATCH, 16)}),
    **dict(_vae_models()),
    "stem": Model(_stem, _random(32, 32, 3), (_BATCH, 2, 2, 16)),
    "image discriminator": Model(lambda: build_image_discriminator(1 / 32, "judge"), _random(16, 16, 3),
                                 [(_BATCH, 2, 2, 1), (_BATCH, 1, 1, 1)]),
    "domain classifier": Model(lambda: build_domain_classifier(8, 2, hidden=4), _random(4, 4, 8),
                               [(_BATCH, 4, 4, 1), (_BATCH, 1)]),
    **{f"re-ranker, {tokens}": Model(lambda config=config: build_reranker(config), _pairs(),
                                     {"logit": (_BATCH,)}) for tokens, config in _RERANKERS.items()},
    "channel weights": Model(lambda: build_weighting({"latent": (9, 8), "shared_1_out": (9, 8)}, "pooled",
                                                     {"latent": 1.0, "shared_1_out": 2.0}),
                             {"latent": _random(3, 9, 8), "shared_1_out": _random(3, 9, 8)}, (_BATCH, 2)),
}


def _delg_on(name: str, synchronized: bool = False) -> keras.Model:
    return build_delg(dataclasses.replace(_DELG, backbone=name, width=_least_width(name), local_stride=0),
                      synchronized=synchronized)


def _hashing_on(name: str) -> keras.Model:
    return build_hashing(HashingConfig(backbone=name, width=_least_width(name), image_size=32,
                                       code_size=16))


def _delg_on_tokens(name: str = "dinov2_vits14_reg", synchronized: bool = False) -> keras.Model:
    with in_place_of_dinov2():
        return _delg_on(name, synchronized)


def _least_width(name: str) -> float:
    return 0.125 if BACKBONES[name].has_any_width else 1.0


_DELG_TRAIN = TrainConfig("shards", "model_dir", backbone="resnet18", learning_rate=0.1, num_steps=10,
                          freeze_batch_norm=True)


_DELG_HELD = dataclasses.replace(_DELG_TRAIN, distillation_weight=1.0, ema_momentum=0.5, num_subcenters=2)


def _compiled_delg(model: keras.Model) -> tuple[keras.Model, keras.Model]:
    freeze(model, _DELG_TRAIN)
    return model, compile_delg(model, _DELG_TRAIN)


def _delg_training() -> tuple[keras.Model, keras.Model]:
    with in_place_of_resnet18():
        return _compiled_delg(build_delg(_DELG, synchronized=True))


def _held_delg_training() -> tuple[keras.Model, keras.Model]:
    with in_place_of_resnet18():
        model, start = (build_delg(dataclasses.replace(_DELG, num_subcenters=2), synchronized=True)
                        for _ in range(2))
    freeze(model, _DELG_HELD)
    return model, compile_delg(model, _DELG_HELD, start)


_DELG_SAMPLED = dataclasses.replace(_DELG_TRAIN, classifier="sampled")


def _sampled_delg_training() -> tuple[keras.Model, keras.Model]:
    with in_place_of_resnet18():
        model = build_delg(_DELG, synchronized=True, by_rows=True)
    freeze(model, _DELG_SAMPLED)
    return model, compile_delg(model, _DELG_SAMPLED)


def _parted_delg_training() -> tuple[keras.Model, keras.Model]:
    with in_place_of_resnet18():
        model = build_delg(_DELG, synchronized=True)
    freeze(model, _DELG_TRAIN)
    return model, compile_delg(model, dataclasses.replace(_DELG_TRAIN, accumulate_steps=2))


def _hashing_training() -> tuple[keras.Model, keras.Model]:
    settings = HashingTrainConfig("shards", "model_dir", backbone="resnet18", image_size=32, code_size=16,
                                  center_weight=1.0, mining="none", learning_rate=0.1, schedule="linear",
                                  num_steps=10, warmup_steps=0, backbone_learning_rate_factor=0.0)
    model = _hashing()
    hashing_objective.freeze(model, settings)
    return model, hashing_objective.compile_hashing(model, settings, num_classes=3)


def _hashing_dataset() -> tf.data.Dataset:
    pairs = tf.data.Dataset.from_tensor_slices((_images(), dict.fromkeys(("code_logits",), _LABELS)))
    return pairs.batch(_BATCH, drop_remainder=True)


def _reranker_training(config: RerankerConfig) -> tuple[keras.Model, keras.Model]:
    model = build_reranker(config)
    compile_reranker(model, TrainRerankerConfig(
        "features", "shards", "index", "model_dir", learning_rate=0.1, num_steps=10, warmup_steps=0))
    return model, model


def _reranker_dataset() -> tf.data.Dataset:
    pairs = tf.data.Dataset.from_tensor_slices((_pairs(), {"logit": np.float32([1, 0, 1, 0])}))
    return pairs.batch(_BATCH, drop_remainder=True)


def _vae_training() -> tuple[keras.Model, keras.Model]:
    settings = preset("paper", train_pattern="shards", model_dir="model_dir", image_size=16, width=1 / 32)
    model = build_vae(settings.model_config(), synchronized=True)
    objective = DayNightObjective(model, settings)
    # A graph of one step costs three times as much, most of it tracing; `tests/vae/training/` has graphs.
    objective.compile(optimizer=build_optimizer("adam", 0.01), jit_compile=False, run_eagerly=True)
    return model, objective


def _delg_dataset(settings: TrainConfig = _DELG_TRAIN) -> tf.data.Dataset:
    return with_targets(tf.data.Dataset.from_tensor_slices((_images(), _LABELS)).batch(
        _BATCH, drop_remainder=True), settings)


def _stays_in_delg(name: str) -> bool:
    """The BatchNorm of the backbone is frozen, that of the attention head is not; the power is given."""
    layer, _, weight = name.rpartition("/")
    is_batch_norm = weight.startswith(("gamma", "beta", "moving_")) and not re.search(_LAYER_NORM, layer)
    return name.startswith("gem_pooling") or is_batch_norm and not name.startswith("attention")


TRAININGS = {
    "delg": Training(_delg_training, _delg_dataset, _stays_in_delg),
    "delg on tokens": Training(lambda: _compiled_delg(_delg_on_tokens(synchronized=True)), _delg_dataset,
                               _stays_in_delg),
    "delg, held to its start": Training(
        _held_delg_training, lambda: _delg_dataset(_DELG_HELD), _stays_in_delg),
    "delg, batches in parts": Training(
        _parted_delg_training, _delg_dataset, _stays_in_delg),
    "delg, classes sampled": Training(
        _sampled_delg_training, lambda: _delg_dataset(_DELG_SAMPLED), _stays_in_delg),
    "hashing, backbone frozen": Training(
        _hashing_training, _hashing_dataset, lambda name: not name.startswith("code_")),
    **{f"re-ranker, {tokens}": Training(lambda config=config: _reranker_training(config), _reranker_dataset,
                                        lambda name: False) for tokens, config in _RERANKERS.items()},
    "vae": Training(
        _vae_training,
        lambda: tf.data.Dataset.from_tensor_slices({
            name: _images()[:, :16, :16] if name in ("day", "night") else _LABELS
            for name in ("day", "night", "day_label", "night_label")}).batch(_BATCH, drop_remainder=True),
        lambda name: False),
}


def _extraction() -> tuple[tf.Module, str, list]:
    controls = [tf.constant([0.5, 1.0]), tf.constant(5), tf.constant(0.0), tf.constant([0, 1])]
    with in_place_of_resnet18():
        return (ExtractionModule(build_delg(_DELG), backbone.receptive_field("resnet18")), "extract_batch",
                [tf.constant(_images()), *controls])


if _EVERY_BACKBONE:
    for _name in BACKBONES.where(lambda record: record.maps is not None):
        if _name.startswith(_HUGE):
            continue
        MODELS[f"delg on {_name}"] = Model(functools.partial(_delg_on, _name), _images(), _DELG_SHAPES)
        TRAININGS[f"delg on {_name}"] = Training(
            lambda name=_name: _compiled_delg(_delg_on(name, synchronized=True)), _delg_dataset,
            _stays_in_delg)
    for _name in BACKBONES:
        if _name.startswith(_HUGE):
            continue
        _features = _hashing_on(_name).output["features"].shape[1]
        MODELS[f"hashing on {_name}"] = Model(functools.partial(_hashing_on, _name), _images(),
                                              _hashing_shapes(_features))

EXPORTS = {  # a module, one of its functions, and arguments
    "delg": (_extraction, "batch",
             {"boxes": (_BATCH, 5, 4), "features": (_BATCH, 5, 4), "scales": (_BATCH, 5),
              "scores": (_BATCH, 5), "num_features": (_BATCH,), "global_descriptors": (_BATCH, 2, 6)}),
    "hashing": (lambda: (CodeModule(_hashing(), 32), "batch", [tf.constant(_images())]), "batch",
                {"codes": (_BATCH, 16), "packed_codes": (_BATCH, 2), "features": (_BATCH, 16)}),
    "re-ranker": (lambda: (PairModule(build_reranker(_RERANKERS["matches"])), "serving_default",
                           [tf.constant(value) for value in _pairs().values()]), "serving_default",
                  {"logits": (_BATCH,)}),
    "vae": (lambda: (DayNightModule(_vae(), _VAE), "encode_day", [tf.constant(_images())]), "encode_day",
            {"latent": _LATENT, "descriptor": (_BATCH, 8)}),
}


def _serving(model: keras.Model, inputs: Any) -> tf.Module:
    module = tf.Module()
    module.model_variables = model.variables  # tracked one by one: what Keras adds takes most of saving
    specs = tf.nest.map_structure(lambda value: tf.TensorSpec(value.shape, value.dtype), inputs)
    module.serve = tf.function(lambda values: model(values, training=False), input_signature=[specs])
    return module


def _shapes(outputs: Any) -> Any:
    return tf.nest.map_structure(lambda value: tuple(value.shape), outputs)


def _assert_equal_outputs(expected: Any, found: Any, **tolerance: float) -> None:
    tf.nest.map_structure(lambda first, second: np.testing.assert_allclose(second, first, **tolerance),
                          expected, found)


def _one_test_each(names: Iterable[str]) -> Callable[[type], type]:
    """Gives a class a test for each name, of its method `check`: runners spread tests, not their parts."""
    def add(case: type[unittest.TestCase]) -> type[unittest.TestCase]:
        for name in names:
            def test(self, name=name):
                keras.utils.set_random_seed(0)
                self.check(name)

            setattr(case, "test_" + re.sub(r"\W+", "_", name), test)
        return case
    return add


@_one_test_each(MODELS)
class ModelTest(unittest.TestCase):
    def check(self, name):
        inputs = MODELS[name].inputs
        model = MODELS[name].build()
        expected = model(inputs)
        with self.subTest("names and shapes of outputs"):
            self.assertEqual(_shapes(expected), MODELS[name].output_shapes)
        with self.subTest("a copy from config and weights in the Keras file gives the same"), \
                tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "model.keras")
            model.save(path)
            _assert_equal_outputs(expected, keras.models.load_model(path, compile=False)(inputs))
        with self.subTest("the SavedModel gives the same"), tempfile.TemporaryDirectory() as folder:
            tf.saved_model.save(_serving(model, inputs), folder)
            loaded = tf.saved_model.load(folder)  # held: its variables live as long as it does
            outputs = loaded.serve(tf.nest.map_structure(tf.constant, inputs))
            _assert_equal_outputs(expected, outputs, rtol=1e-4, atol=1e-5)


@_one_test_each(name for name in BACKBONES if _EVERY_BACKBONE or not name.startswith(_LARGE))
class OnBackboneTest(unittest.TestCase):
    """Hashing, and DELG where there are maps; they share the network of the backbone here."""

    def check(self, name):
        with contextlib.nullcontext() if _EVERY_BACKBONE else in_place_of_dinov2():
            network = backbone.build_network(name, _least_width(name), "none", image_size=32)
        with mock.patch.object(backbone, "build_network", return_value=network):
            model = _hashing_on(name)
            delg = _delg_on(name) if BACKBONES[name].maps else None
        self.assertEqual(model.output["codes"].shape, (None, 16))
        outputs = model(_images())
        self.assertEqual(_shapes(outputs), _hashing_shapes(model.output["features"].shape[1]))
        if delg is not None:
            self.assertEqual(_shapes(delg(_images())), _DELG_SHAPES)


@_one_test_each(TRAININGS)
class TrainingTest(unittest.TestCase):
    """A step on two replicas moves what it should and nothing else."""

    def check(self, name):
        case = TRAININGS[name]
        with two_replicas().scope():
            model, fitted = case.compile()
        before = model.get_weights()
        fitted.fit(case.dataset(), verbose=0)
        moved = [(weight.name, bool(np.any(now != value))) for weight, now, value
                 in zip(model.weights, model.get_weights(), before)]
        self.assertEqual([name for name, has in moved if case.stays(name) and has], [])
        others = [(name, has) for name, has in moved if not case.stays(name)]
        self.assertGreater(np.mean([has for _, has in others]), 0.95,
                           [name for name, has in others if not has])


@_one_test_each(EXPORTS)
class ExportTest(unittest.TestCase):
    """The SavedModel gives what the module gives, its graphs rewritten as users' are."""

    @lean.graphs_are_rewritten()
    def check(self, name):
        make, signature, shapes = EXPORTS[name]
        module, function, arguments = make()
        with tempfile.TemporaryDirectory() as folder:
            module.save(folder)
            expected = getattr(module, function)(*arguments)
            loaded = tf.saved_model.load(folder)  # held: its variables live as long as it does
            run = loaded.signatures[signature]
            keywords = {spec.name: value for spec, value in zip(
                getattr(module, function).input_signature, arguments)}
            self.assertEqual(set(run.structured_input_signature[1]), set(keywords))
            found = run(**keywords)
        self.assertEqual(_shapes(found), shapes)
        for output, value in expected.items():
            np.testing.assert_allclose(found[output], value, rtol=1e-4, atol=1e-4, err_msg=output)


if __name__ == "__main__":
    unittest.main()
