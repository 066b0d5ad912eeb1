"""The files that users exchange: each kind written by the product's code, with its reader.

A target gives pairs of a file and what reads it. Files that carry a digest of themselves are there without
one too, as a stranger would leave it out; so are files of an earlier version, which had none. Of an index
the digests are made to fit the damage, though FAISS promises nothing: one must be from people one trusts.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import pickle
import shutil
from collections.abc import Callable

import numpy as np

_OLD = pathlib.Path(__file__).parents[1] / "old_files" / "7cc1f52"
Pair = tuple[str, Callable[[], object]]  # a file to damage, and what reads it


def _old(folder: str) -> str:
    """A copy of the files of an earlier version."""
    return shutil.copytree(_OLD, os.path.join(folder, "old"))


def _feature_shard(folder: str) -> list[Pair]:
    from delg.features import reader, rewriting

    def read(path: str) -> None:
        with reader.FeatureReader(path) as features:
            for row in range(len(features)):
                features.local_features(row)

    old = f"{_old(folder)}/index-00000-of-00001.h5"
    written = [rewriting.rewrite_features(old, f"{folder}/{dtype}", dtype)[0]
               for dtype in ("float16", "int8", "binary")]
    return [(path, lambda path=path: read(path)) for path in (*written, old)]


def _ranking(folder: str) -> list[Pair]:
    from delg.scores import ranking
    old, new = f"{_old(folder)}/ranking.h5", f"{folder}/ranking.h5"
    ranking.write_ranking(new, ranking.read_ranking(old))
    return [(path, lambda path=path: ranking.read_ranking(path)) for path in (new, old)]


def _codes(folder: str) -> list[Pair]:
    from hashing.codes import code_shards
    old, new = f"{_old(folder)}/codes-00000-of-00001.h5", f"{folder}/codes.h5"
    code_shards.write_code_shard(new, code_shards.read_codes(old), code_shards.read_attributes(old)[1])
    return [(path, lambda path=path: code_shards.read_codes(path)) for path in (new, old)]


def _index(folder: str) -> list[Pair]:
    from delg.index import building
    from delg.settings.index import IndexConfig
    from delg.settings.kinds import GLOBAL_DESCRIPTORS, INDEX_KINDS
    features = f"{_old(folder)}/index-00000-of-00001.h5"
    pairs = []
    for name, kind in INDEX_KINDS.items():
        if kind.ranked_by == GLOBAL_DESCRIPTORS and "descriptors" not in kind.stems:
            continue  # a server holds them, which children made by a fork cannot ask
        index_dir = os.path.join(folder, name)
        building.build_index(features, index_dir, IndexConfig(name, num_codewords=4))
        pairs += [(path, lambda index_dir=index_dir: building.load_index(index_dir, check_descriptors=True))
                  for path in _files_in(index_dir)]
    return pairs


def _resealed(written: Callable[[str], list[Pair]], load: Callable[[str], object]):
    """A target of the files of indexes that say the SHA-256 of what was made of them by damage."""
    def write(folder: str) -> list[Pair]:
        import faiss
        faiss.omp_set_num_threads(1)  # whose threads are not there in a fork
        return [(path, lambda path=path: load(_sealed_copy(os.path.dirname(path))))
                for path, _ in written(folder)]

    return write


def _sealed_copy(index_dir: str) -> str:
    from data_prep.stage import files
    copy = shutil.copytree(index_dir, f"{index_dir}-sealed", dirs_exist_ok=True)
    path = os.path.join(copy, "index.json")
    with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError, OSError, RecursionError):
        description = json.loads(pathlib.Path(path).read_bytes())
        for name, facts in description["files"].items():
            facts.update(bytes=os.path.getsize(os.path.join(copy, name)),
                         sha256=files.sha256_of(os.path.join(copy, name)))
        files.write_checked_json(path, description)
    return copy


def _search_index(index_dir: str) -> None:
    from delg.index import building
    index = building.load_index(index_dir, check_descriptors=True)
    queries = np.eye(2, index.dimension, dtype=np.float32)
    index.search([queries] if index.ranked_by == "local features" else queries, 3)


def _search_code_index(index_dir: str) -> None:
    from hashing.index.code_index import CodeIndex
    index = CodeIndex.load(index_dir)
    index.search(np.zeros((1, 2), np.uint8), 3)


def _code_index(folder: str) -> list[Pair]:
    from hashing.index.code_index import CodeIndex
    from hashing.index.config import CODE_INDEX_KINDS, CodeIndexConfig
    codes = np.random.default_rng(0).integers(0, 256, (50, 2), dtype=np.uint8)
    pairs = []
    for name in CODE_INDEX_KINDS:
        index_dir = os.path.join(folder, name)
        config = CodeIndexConfig(name, num_lists=2)
        CodeIndex(codes, [f"i{row}" for row in range(50)], 16, config).save(index_dir)
        pairs += [(path, lambda index_dir=index_dir: CodeIndex.load(index_dir))
                  for path in _files_in(index_dir)]
    return pairs


def _files_in(folder: str) -> list[str]:
    return [os.path.join(folder, name) for name in sorted(os.listdir(folder)) if not name.startswith(".")]


def _dataset(folder: str) -> list[str]:
    """Writes a shard with its dataset.json; returns their paths."""
    from data_prep.records import manifest, shards
    from tests.fixtures.datasets import encode
    shard = shards.write_shard(f"{folder}/train-00000-of-00001", [encode("a", 0), encode("b", 1)])
    truth = {"imlist": ["a"], "qimlist": ["b"],
             "gnd": [{"bbx": [1, 2, 30, 40], "easy": [0], "hard": [], "junk": []}]}
    saved = manifest.save_manifest(manifest.Manifest(
        path="", dataset="folder", seed=0, num_classes=2, labels=("x", "y"), ground_truth=truth,
        splits={"train": manifest.Split(2, 2, (0, 2), (shard,))}), folder)
    return [f"{folder}/{shard.file}", saved.path]


def _dataset_json(folder: str) -> list[Pair]:
    from data_prep.records import manifest, pipeline
    from data_prep.stage import files
    from delg.scores import ground_truth

    def read(path: str) -> None:
        manifest.load_manifest(path)
        pipeline.open_shards(f"{os.path.dirname(path)}/train-*")
        ground_truth.load_ground_truth(path)

    pairs = []
    for name in ("checked", "unchecked"):
        os.makedirs(f"{folder}/{name}")
        path = _dataset(f"{folder}/{name}")[1]
        pairs.append((path, lambda path=path: read(path)))
    files.write_json(path, files.read_checked_json(path))
    return pairs


def _tfrecord(folder: str) -> list[Pair]:
    from data_prep.checking import shard_check
    from data_prep.records import manifest, pipeline, record_labels, record_reading, shards
    from tests.fixtures.datasets import encode

    def read(path: str) -> None:
        paths, split = pipeline.open_shards(path)
        record_reading.read_details(paths, split.shards)
        record_reading.RecordReader(paths, split.shards).read(np.arange(split.num_examples))
        record_labels.read_landmarks(path)

    def check(path: str) -> None:
        where, name = os.path.split(path)
        shard = manifest.load_manifest(where).splits["train"].shards[0]
        expected = shard_check.Expected(shard, (0, 2), False, 10**8, True)
        shard_check.read_content(shard_check.check_shard(where, {name: expected}, name))

    def read_record(path: str) -> None:
        """The file is the content of a record, which gets valid checksums."""
        where = os.path.dirname(path)
        shard = shards.write_shard(f"{where}/train-00000-of-00001", [pathlib.Path(path).read_bytes()])
        split = manifest.Split(1, 2, (0, 2), (shard,))
        manifest.save_manifest(manifest.Manifest("", "folder", 0, 2, ("x", "y"), {"train": split}), where)
        check(f"{where}/{shard.file}")
        read(f"{where}/{shard.file}")

    for name in ("whole", "record"):
        os.makedirs(f"{folder}/{name}")
    path = _dataset(f"{folder}/whole")[0]
    record = pathlib.Path(folder, "record", "train-00000-of-00001.record")
    record.write_bytes(encode("a", 0))
    return [(path, lambda: read(path)), (path, lambda: check(path)),
            (str(record), lambda: read_record(str(record)))]


_TRUTH = {"imlist": ["a", "b", "c"], "qimlist": ["d", "e"],
          "gnd": [{"bbx": [1.0, 2.0, 30.0, 40.0], "easy": [0, 1], "hard": [2], "junk": []}] * 2}


def _mat(folder: str) -> list[Pair]:
    from scipy import io

    from data_prep.sources import revisited
    from delg.exchange import matlab
    descriptors, truth = f"{folder}/descriptors.mat", [f"{folder}/{name}.mat" for name in ("plain", "packed")]
    matlab.write_descriptors(descriptors, np.eye(3, 4), np.eye(2, 4))
    gnd = np.zeros(2, [(name, object) for name in _TRUTH["gnd"][0]])
    for row, entry in enumerate(_TRUTH["gnd"]):
        gnd[row] = tuple(np.array(values) + (name != "bbx") for name, values in entry.items())
    for path in truth:
        io.savemat(path, {"imlist": np.array(_TRUTH["imlist"], object), "gnd": gnd,
                          "qimlist": np.array(_TRUTH["qimlist"], object)}, do_compression=path == truth[1])
    return [(descriptors, lambda: matlab.read_descriptors(descriptors)),
            *((path, lambda path=path: revisited.read_ground_truth(path)) for path in truth)]


def _pkl(folder: str) -> list[Pair]:
    from data_prep.sources import revisited
    pairs = []
    for protocol in range(6):
        path = f"{folder}/{protocol}.pkl"
        as_arrays = [{name: np.array(values) for name, values in entry.items()} for entry in _TRUTH["gnd"]]
        pathlib.Path(path).write_bytes(pickle.dumps({**_TRUTH, "gnd": as_arrays}, protocol))
        pairs.append((path, lambda path=path: revisited.read_ground_truth(path)))
    return pairs


def _described(num_images: int = 2):
    from delg.features.shards import DescribedImage, LocalFeatures
    generator = np.random.default_rng(0)
    for image in range(num_images):
        local = LocalFeatures(*(generator.random((4, *tail), np.float32) for tail in ((2,), (8,), (), ())))
        yield DescribedImage(f"set/{image}", generator.random(6, np.float32), (60, 50), local)


def _exchanged(output_format: str, *suffixes: str) -> Callable[[str], list[Pair]]:
    """A target of the files that `output_format` makes of images."""
    def write(folder: str) -> list[Pair]:
        from delg.exchange import conversion
        pairs = []
        for suffix in suffixes:
            output = f"{folder}/{suffix.strip('.')}/out" + (suffix if output_format == "hloc" else "")
            os.makedirs(os.path.dirname(output))
            conversion.write_images(output, output_format, _described())
            path = output if output_format == "hloc" else f"{output}/set/0{suffix}"
            pairs.append((path, lambda output=output: list(conversion.read_images(output, output_format))))
        return pairs

    return write


def _colmap(folder: str) -> list[Pair]:
    from delg.exchange.colmap import ColmapDatabaseWriter
    from tests.fixtures import colmap_reader  # the product writes these databases alone
    path = f"{folder}/database.db"
    with ColmapDatabaseWriter(path) as writer:
        names = [image.id for image in _described() if writer.add_image(image)]
        writer.add_pair(*names, np.array([[0, 1], [2, 3]]), np.array([[0, 1]]), np.eye(3))
    return [(path, lambda: (colmap_reader.read_keypoints(path), colmap_reader.read_matches(path),
                            colmap_reader.read_matches(path, inliers=True)))]


def _shapes_of(model):
    """A model's layers with names and shapes, and without anything that TensorFlow does."""
    @dataclasses.dataclass
    class Weight:
        shape: tuple[int, ...]

    def stand_in(layer):
        made = type(type(layer).__name__, (), {"set_weights": lambda self, values: None})()
        made.name, made.weights = layer.name, [Weight(tuple(weight.shape)) for weight in layer.weights]
        return made

    made = type("Model", (), {})()
    made.name, made.layers = model.name, [stand_in(layer) for layer in model.layers]
    made.weights = made.variables = [weight for layer in made.layers for weight in layer.weights]
    return made


def _safetensors(folder: str) -> list[Pair]:
    from safetensors import numpy

    from delg.networks.backbones.resnet18 import build_resnet18
    from delg.networks.weights import keras_files, safetensors_files
    model, path = build_resnet18(1 / 64), f"{folder}/resnet18.safetensors"
    tensors = {}
    for layer in model.layers:
        named = safetensors_files._tensors_of_resnet18(layer) if layer.weights else []
        for tensor, values in zip(named, layer.get_weights()):
            tensors[tensor.name] = values.transpose(3, 2, 0, 1).copy() if values.ndim == 4 else values
    numpy.save_file(tensors, path)
    shapes = _shapes_of(model)
    return [(path, lambda: keras_files.load_backbone_weights(
        shapes, path, safetensors_files.read_resnet18_layers))]


def _keras_weights(folder: str) -> list[Pair]:
    from delg.networks import model_files
    from delg.networks.backbones.resnet18 import build_resnet18
    from delg.networks.weights import keras_files
    model, pairs = build_resnet18(1 / 64), []
    shapes = _shapes_of(model)
    shapes.load_weights = lambda path: None  # what Keras does with sound shapes is not ours
    for ending in (".weights.h5", "_notop.h5"):
        path = f"{folder}/resnet18{ending}"
        model.save_weights(path)
        pairs.append((path, lambda path=path: keras_files.load_backbone_weights(shapes, path)))
    path = pairs[0][0]
    return [*pairs, (path, lambda: model_files.load_weights(shapes, path))]


def _checkpoint(folder: str) -> list[Pair]:
    import keras

    from delg.fitting import backups
    model = keras.Sequential([keras.layers.Dense(3, input_shape=[2])])
    optimizer = keras.optimizers.SGD()
    written = backups.Backups(model, optimizer, folder)
    written.save(7)
    written.wait()
    return [(path, backups.Backups(model, optimizer, folder).restore)
            for path in _files_in(backups.backup_dir(folder))]


def _whitening(folder: str) -> list[Pair]:
    from delg.features import whitening
    from delg.settings.whitening import WhiteningConfig
    path = f"{folder}/whitening.npz"
    whitening.fit_whitening(f"{_old(folder)}/query-00000-of-00001.h5", path, WhiteningConfig(dimension=2))
    return [(path, lambda: whitening.read_whitening(path, "model-a", 8))]


def _calibration(folder: str) -> list[Pair]:
    from data_prep.stage import files
    from delg.search import calibration
    from delg.settings.search import SearchConfig
    old = _old(folder)
    content = files.read_checked_json(f"{old}/calibration.json")
    files.write_checked_json(f"{folder}/calibration.json", content)
    return [(path, lambda path=path: calibration.apply(path, SearchConfig(num_rerank=4),
                                                       f"{old}/index-*.h5", f"{old}/index"))
            for path in (f"{folder}/calibration.json", f"{old}/calibration.json")]


def _config_json(folder: str) -> list[Pair]:
    from delg.networks import model_files
    from delg.settings.model import ModelConfig
    from hashing.networks.config import ModelConfig as HashingConfig
    from vae.networks.config import ModelConfig as VaeConfig
    from vae.weighting import weight_files
    old, pairs = _old(folder), []

    def read(model_dir: str, config_class: type) -> None:
        stored = model_files.read_config(model_dir)
        model_files.model_config(stored, config_class, os.path.join(model_dir, model_files.CONFIG_FILE))

    for name, config_class in (("delg", ModelConfig), ("vae", VaeConfig), ("hashing", HashingConfig)):
        os.makedirs(f"{folder}/{name}")
        model_files.write_config(f"{folder}/{name}", model_files.read_config(f"{old}/{name}_model"))
        pairs += [(f"{where}/config.json", lambda where=where, config_class=config_class:
                   read(where, config_class)) for where in (f"{folder}/{name}", f"{old}/{name}_model")]
    weights, config = f"{folder}/channel_weights.json", json.loads(
        pathlib.Path(old, "weights", "channel_weights.json").read_text())["config"]
    weight_files.write_channel_weights(weights, {"latent": np.ones(4)}, config)
    return [*pairs, *((path, lambda path=path: weight_files.read_channel_weights(path))
                      for path in (weights, f"{old}/weights/channel_weights.json"))]


TARGETS: dict[str, Callable[[str], list[Pair]]] = {  # the last six import TensorFlow
    "feature_shard": _feature_shard, "ranking": _ranking, "codes": _codes, "index": _index,
    "code_index": _code_index, "sealed_index": _resealed(_index, _search_index),
    "sealed_code_index": _resealed(_code_index, _search_code_index), "mat": _mat, "pkl": _pkl,
    "delg": _exchanged("delg", ".delg_global", ".delg_local"), "delf": _exchanged("delf", ".delf"),
    "hloc": _exchanged("hloc", ".h5"), "colmap": _colmap, "whitening": _whitening,
    "calibration": _calibration, "dataset_json": _dataset_json, "tfrecord": _tfrecord,
    "config_json": _config_json, "safetensors": _safetensors, "keras_weights": _keras_weights,
    "checkpoint": _checkpoint}
