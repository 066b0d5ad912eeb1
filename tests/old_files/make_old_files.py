"""Writes the files of this folder with the code of the commit that is checked out; see README.md.

    python make_old_files.py --output_dir=tests/old_files

To be run from the root of a checkout of the commit whose files are wanted. Kilobytes; half a minute.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import sys
import tempfile
from unittest import mock

sys.path.insert(0, os.getcwd())

import keras  # noqa: E402
import numpy as np  # noqa: E402
from absl import app, flags  # noqa: E402

from data_prep.stage import files  # noqa: E402
from delg.exports import saving  # noqa: E402
from delg.exports.export_config import CONFIG_FILE  # noqa: E402
from delg.features import shards  # noqa: E402
from delg.features.whitening import fit_whitening  # noqa: E402
from delg.index import building  # noqa: E402
from delg.networks import model_files  # noqa: E402
from delg.networks.delg import build_delg  # noqa: E402
from delg.search import calibration, retrieval  # noqa: E402
from delg.settings.extraction import ExtractConfig  # noqa: E402
from delg.settings.index import IndexConfig  # noqa: E402
from delg.settings.search import SearchConfig  # noqa: E402
from delg.settings.training import TrainConfig  # noqa: E402
from delg.settings.whitening import WhiteningConfig  # noqa: E402
from delg.training import loop  # noqa: E402
from hashing.codes import code_shards  # noqa: E402
from hashing.codes import export as code_export  # noqa: E402
from hashing.index.code_index import CodeIndex, CodeIndexConfig  # noqa: E402
from hashing.networks.model import build_hashing  # noqa: E402
from hashing.training import loop as hashing_loop  # noqa: E402
from hashing.training.config import TrainConfig as HashingTrainConfig  # noqa: E402
from tests.fixtures import planar_world  # noqa: E402
from vae.latents import export as vae_export  # noqa: E402
from vae.networks.model import build_vae  # noqa: E402
from vae.training import loop as vae_loop  # noqa: E402
from vae.training.config import TrainConfig as VaeTrainConfig  # noqa: E402
from vae.weighting.weight_files import write_channel_weights  # noqa: E402
from vae.weighting.weight_training import WeightTrainConfig  # noqa: E402

_OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Folder that the files are written to.", required=True)


def _write_trainings(folder: pathlib.Path) -> None:
    """config.json of each training, and export_config.json of its export."""
    delg = TrainConfig("shards/train-*", "delg_model", backbone="resnet18", width=0.125, embedding_dim=8,
                       autoencoder_dim=4, attention_dim=4, backbone_weights="none")
    vae = VaeTrainConfig("shards/train-*", "vae_model", image_size=16, width=1 / 64, stem_weights="none")
    hashing = HashingTrainConfig("shards/train-*", "hashing_model", width=0.125, image_size=32, code_size=16,
                                 backbone_weights="none")
    for name, stored, build, export, module in (
            ("delg", loop._start_config(delg, 3), build_delg, saving.export, saving),
            ("vae", vae_loop._start_config(vae), build_vae, vae_export.export_vae, vae_export.saving),
            ("hashing", hashing_loop._start_config(hashing, 3), build_hashing, code_export.export,
             code_export)):
        model_dir = folder / f"{name}_model"
        model_dir.mkdir()
        model_files.write_config(str(model_dir), stored)
        config = {"delg": lambda: delg.model_config(3), "vae": vae.model_config,
                  "hashing": hashing.model_config}[name]()
        keras.utils.set_random_seed(0)
        for weights in model_files.WEIGHT_FILES:
            model_files.save_weights(build(config), model_files.weight_path(str(model_dir), weights))
        with mock.patch.object(module, "is_finished", return_value=True):
            exported = export(str(model_dir), str(folder / f"{name}_export"))
        for weights in model_files.WEIGHT_FILES:
            os.remove(model_files.weight_path(str(model_dir), weights))
        (folder / f"{name}_export").mkdir()
        with open(folder / f"{name}_export" / CONFIG_FILE, "w") as file:
            json.dump(exported, file, indent=2)
    weights = dataclasses.asdict(WeightTrainConfig("shards/train-*", "vae_model", "weights"))
    (folder / "weights").mkdir()
    model_files.write_config(str(folder / "weights"), {"model": {"layers": ["latent"]}, "train": weights})
    write_channel_weights(str(folder / "weights" / "channel_weights.json"), {"latent": np.ones(4)}, weights)


def _write_search(folder: pathlib.Path) -> None:
    """Features, whitening, an index, a ranking and a calibration."""
    planar_world.NUM_POINTS, planar_world.DIMENSION = 20, 8
    shards._ROWS_PER_CHUNK = 16  # else empty room makes most of a file
    settings = json.loads(json.dumps(dataclasses.asdict(ExtractConfig())))
    for name in ("max_bad_fraction", "whitening", "batch_size"):
        del settings[name]
    settings.update(fingerprint="model-a", score_threshold=0.5, precision="float32")
    write = planar_world.write_feature_shard
    with mock.patch.object(planar_world, "write_feature_shard", lambda path, shard: write(
            path, dataclasses.replace(shard, config=settings))):
        planar_world.write_world(folder, num_others=2)
    index, queries = str(folder / "index-*.h5"), str(folder / "query-*.h5")
    building.build_index(index, str(folder / "index"), IndexConfig())
    building.build_index(index, str(folder / "asmk"), IndexConfig("asmk", num_codewords=4))
    fit_whitening(queries, str(folder / "whitening.npz"), WhiteningConfig(dimension=2))
    retrieval.search(queries, index, str(folder / "index"), str(folder / "ranking.h5"),
                     SearchConfig(num_rerank=4, min_inliers=8), 1)
    ids = [f"i{row}" for row in range(8)]
    truth = {"imlist": ids, "qimlist": ["q0", "q1", "q2"], "gnd": [
        {"bbx": [0, 0, 9, 9], "easy": [2 + 2 * query, 3 + 2 * query], "hard": [], "junk": []}
        for query in range(3)]}
    with open(folder / "gnd.json", "w") as file:
        json.dump(truth, file)
    files.write_json(str(folder / "calibration.json"), calibration.fit(
        str(folder / "ranking.h5"), str(folder / "gnd.json"), queries, index))


def _write_codes(folder: pathlib.Path) -> None:
    """A code shard and an index of codes of each kind."""
    generator = np.random.default_rng(0)
    values = generator.uniform(-1, 1, (6, 16)).astype(np.float32)
    packed = np.packbits(values > 0, axis=1)
    ids = [f"c{row}" for row in range(6)]
    code_shards.write_code_shard(str(folder / "codes-00000-of-00001.h5"), code_shards.EncodedImages(
        ids, np.arange(6, dtype=np.int64), packed, values, np.zeros((6, 0), np.float32),
        {"fingerprint": "model-c", "code_size": 16, "image_size": 32, "features": False}),
        {"source_sha256": "", "left_out": []})
    for kind in ("flat", "hash"):
        CodeIndex(packed, ids, 16, CodeIndexConfig(kind, num_tables=2), "model-c").save(
            str(folder / f"{kind}_codes"))


def main(_: list[str]) -> None:
    os.makedirs(_OUTPUT_DIR.value, exist_ok=True)
    folder = pathlib.Path(_OUTPUT_DIR.value).resolve()
    with tempfile.TemporaryDirectory() as empty:
        os.chdir(empty)  # so that the files name no path of this machine
        (pathlib.Path(empty) / "files").symlink_to(folder)
        for write in (_write_trainings, _write_search, _write_codes):
            write(pathlib.Path("files"))


if __name__ == "__main__":
    app.run(main)
