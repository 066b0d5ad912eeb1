"""Local features of others take the place of ours, image by image, and the whole search works on them."""

import dataclasses
import json
import pathlib
import shutil
import tempfile
import unittest

import h5py
import numpy as np

from data_prep.images import orientation
from delg.exchange import conversion, hloc, mixing
from delg.features.reader import FeatureReader
from delg.features.shards import FeatureShardWriter, no_local_features
from delg.index.building import build_index
from delg.search import retrieval
from delg.settings.index import IndexConfig
from delg.settings.search import SearchConfig
from tests.fixtures import planar_world


class MixingTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.other = str(self.folder / "other.h5")

    def write_ours(self, size=(60, 80), turned=1, local_dim=3):
        """A shard of images a and b, which have no local features."""
        (self.folder / "ours").mkdir(exist_ok=True)
        config = {"fingerprint": "model-a", "local_scales": [1.0], "local_dtype": "float16"}
        with FeatureShardWriter(str(self.folder / "ours/all.h5"), config, 2, local_dim) as writer:
            for name, descriptor in (("a", [1, 0]), ("b", [0, 1])):
                writer.append(name, np.float32(descriptor), size, no_local_features(local_dim))
            writer.notes["orientations"] = {"a": turned}

    def write_other(self, **changed):
        """An hloc file as other tools write it: no scales, half precision, whole numbers, worst first."""
        arrays = {"keypoints": np.float16([[10, 20], [30.5, 40]]), "scores": np.float16([0.25, 0.5]),
                  "descriptors": np.uint8([[3, 0], [4, 9], [0, 0], [0, 0], [0, 0]]),
                  "image_size": np.array([80, 60]), **changed}
        with h5py.File(self.other, "w") as file:
            for image in ("a.jpg", "b.jpg"):
                for name, values in arrays.items():
                    if values is not None:
                        file[f"{image}/{name}"] = values

    def mix(self, **settings):
        return mixing.mix_local_features(str(self.folder / "ours"), self.other, str(self.folder / "mixed"),
                                         "sift", suffix=".jpg", **settings)

    def first_of_mixed(self):
        with FeatureReader(str(self.folder / "mixed")) as reader:
            return reader.local_features(0)

    def test_takes_local_features_and_keeps_the_rest(self):
        self.write_ours()
        self.write_other()
        self.assertEqual(self.mix(), 2)
        with FeatureReader(str(self.folder / "mixed")) as reader:
            self.assertEqual(reader.ids, ["a", "b"])
            self.assertEqual(reader.global_descriptors.tolist(), [[1, 0], [0, 1]])
            self.assertEqual(reader.image_sizes.tolist(), [[60, 80]] * 2)
            self.assertEqual(reader.config, {
                "fingerprint": "model-a+sift", "local_features": "sift", "local_dtype": "float16",
                "max_num_features": 0})
            local = reader.local_features(0)
        np.testing.assert_allclose(local.keypoints_yx, [[40, 30.5], [20, 10]])  # best first
        np.testing.assert_allclose(local.descriptors, [[0, 1, 0, 0, 0], [0.6, 0.8, 0, 0, 0]], atol=1e-3)
        self.assertEqual((local.scores.tolist(), local.scales.tolist()), ([0.5, 0.25], [1, 1]))

    def test_the_best_are_kept_where_fewer_are_asked_for(self):
        self.write_ours()
        self.write_other()
        self.mix(max_num_features=1)
        self.assertEqual(self.first_of_mixed().scores.tolist(), [0.5])

    def test_features_of_queries_lie_in_their_boxes(self):
        self.write_ours()
        self.write_other()
        truth = {"imlist": ["b"], "qimlist": ["a"], "gnd": [
            {"bbx": [5, 5, 20, 30], "easy": [0], "hard": [], "junk": []}]}
        (self.folder / "gnd.json").write_text(json.dumps(truth), encoding="utf-8")
        self.mix(ground_truth=str(self.folder / "gnd.json"))
        with FeatureReader(str(self.folder / "mixed")) as reader:
            self.assertEqual(reader.local_features(0).keypoints_yx.tolist(), [[20, 10]])
            self.assertEqual(len(reader.local_features(1)), 2)

    def test_photographs_stored_turned_are_turned_upright(self):
        self.write_ours(size=(60, 80), turned=6)  # its file is 80 high and 60 wide
        upright = np.array([[30.0, 12.0], [50.0, 7.0]])  # x, y
        back = orientation.to_stored(6, (60, 80))
        self.write_other(keypoints=upright @ back[:2, :2].T + back[:2, 2], image_size=None)
        self.mix()
        np.testing.assert_allclose(self.first_of_mixed().keypoints_yx, upright[::-1, ::-1])

    def test_refuses_what_is_of_other_images(self):
        self.write_ours()
        for changed, message in (
                ({"image_size": np.array([160, 120])}, r"a.jpg of \(120, 160\) instead of \(60, 80\)"),
                ({"image_size": None, "keypoints": np.float32([[10, 20], [90, 5]])},
                 r"keypoints of a.jpg must lie in the image of \(60, 80\).*from \[ 5. 10.\] to \[20. 90.\]"),
                ({"descriptors": None}, "other.h5 must hold local features with descriptors")):
            self.write_other(**changed)
            with self.assertRaisesRegex(ValueError, message):
                self.mix()
        self.write_other()
        with h5py.File(self.other, "a") as file:
            del file["b.jpg"]
        with self.assertRaisesRegex(ValueError, "Received: none of 'b.jpg' and 0 more; it has a.jpg"):
            self.mix()
        with h5py.File(self.other, "a") as file:
            file.copy("a.jpg", "b.jpg")
            del file["b.jpg/descriptors"]
            file["b.jpg/descriptors"] = np.ones((4, 2))
        with self.assertRaisesRegex(ValueError, r"image b must have shape \(2, 5\). Received: \(2, 4\)"):
            self.mix()
        with self.assertRaisesRegex(ValueError, "`output` must be another folder"):
            mixing.mix_local_features(str(self.folder / "ours"), self.other, str(self.folder / "ours"), "x")
        self.assertEqual(list((self.folder / "mixed").glob("*.h5")), [])

    def test_index_search_and_verification_work_on_them(self):
        world, features, mixed = self.folder / "world", self.folder / "world/*.h5", self.folder / "mixed"
        world.mkdir()
        positives = planar_world.write_world(world)
        rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(48, 48)))[0][:32]  # to 48 dimensions
        hloc.write_features(self.other, (
            dataclasses.replace(image, global_descriptor=np.zeros(0, np.float32), local=dataclasses.replace(
                image.local, descriptors=image.local.descriptors @ rotation))
            for image in conversion.read_images(str(features), "shards")), "float16")
        mixing.mix_local_features(str(features), self.other, str(mixed), "other")
        images = str(mixed / "index-*.h5")
        for kind in ("exact", "binary_asmk"):
            build_index(images, str(self.folder / kind), IndexConfig(
                index_type=kind, **({"num_codewords": 16} if kind == "binary_asmk" else {})))
        ranking = retrieval.search(
            str(mixed / "query-*.h5"), images, str(self.folder / "exact"), str(self.folder / "ranking.h5"),
            SearchConfig(min_inliers=10), local_index_dir=str(self.folder / "binary_asmk"))
        for query, rows in enumerate(positives):
            self.assertEqual(set(ranking.ranks[query, :len(rows)]), set(rows))
        with self.assertRaisesRegex(ValueError, "must be of one model.*'model-a' .*'model-a.other'"):
            retrieval.search(str(world / "query-*.h5"), images, str(self.folder / "exact"),
                             str(self.folder / "other_ranking.h5"), SearchConfig(min_inliers=10))


if __name__ == "__main__":
    unittest.main()
