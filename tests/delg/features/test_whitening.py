"""Whitening of global descriptors: by hand, stored, searched with, and refused where it does not fit."""

import json
import os
import unittest
from unittest import mock

import numpy as np

from data_prep.records import record_labels
from delg.features.rewriting import rewrite_features
from delg.features.whitening import Whitening, fit_whitening, read_whitening
from delg.index import building
from delg.search import retrieval
from delg.settings.search import SearchConfig
from delg.settings.whitening import WhiteningConfig
from delg.vectors.within_class import kernel_of, learn_whitening
from tests.fixtures.feature_shards import read_feature_shard, write_feature_shard
from tests.fixtures.shard_folder import ShardFolderTest, make_shard

# mean (5, 0); variances 32/3 and 2/3, so that whitening divides the first by four times as much
VECTORS = np.array([[5.0, 1.0], [5.0, -1.0], [9.0, 0.0], [1.0, 0.0]], np.float32)


class GlobalWhiteningTest(ShardFolderTest):
    def write_descriptors(self, name, descriptors, config=None):
        shard = make_shard([f"{name}{row}" for row in range(len(descriptors))], [1] * len(descriptors),
                           config=config)
        shard.global_descriptors.resize(descriptors.shape, refcheck=False)
        shard.global_descriptors[:] = descriptors
        write_feature_shard(self.path(f"{name}.h5"), shard)
        return self.path(f"{name}.h5")

    def fit(self, descriptors=VECTORS, **settings):
        features = self.write_descriptors("learn", descriptors)
        return fit_whitening(features, self.path("w.npz"), WhiteningConfig(**settings))

    def test_by_hand(self):
        whitening = self.fit(exponent=1.0, shrinkage=1e-9)
        np.testing.assert_array_equal(whitening.mean, [5, 0])
        whitened = whitening.apply(np.array([[9, 1], [9, 4], [5, -2]]))  # (4, 1), (4, 4), (0, -2) around it
        expected = np.array([[1, 1], [1, 4], [0, -1]]) / np.sqrt([[2], [17], [1]])
        np.testing.assert_allclose(whitened, expected, atol=1e-6)
        self.assertEqual(whitened.dtype, np.float32)

    def test_fewer_dimensions_are_the_strongest_of_all(self):
        generator = np.random.default_rng(0)
        descriptors = generator.normal(size=(40, 6)) * [3, 1, 2, 1, 1, 1]
        whole, part = self.fit(descriptors), self.fit(descriptors, dimension=2)
        np.testing.assert_array_equal(part.projection, whole.projection[:, :2])
        self.assertEqual(np.abs(part.projection).argmax(axis=0).tolist(), [0, 2])

    def test_fewer_images_than_dimensions(self):
        descriptors = np.random.default_rng(0).normal(size=(5, 40)).astype(np.float32)
        whitening = self.fit(descriptors, exponent=1.0)
        shrinkage = 40 / 45  # of variances towards their mean, so that directions none of the five shows stay
        variances = np.linalg.eigvalsh(np.cov(descriptors.astype(np.float64), rowvar=False))[::-1]
        shrunk = (1 - shrinkage) * variances + shrinkage * variances.mean()
        lengths = np.linalg.norm(whitening.projection, axis=0)
        np.testing.assert_allclose(lengths / lengths[0], np.sqrt(shrunk[0] / shrunk), rtol=1e-4)

    def test_labels_say_what_counts_less(self):
        generator = np.random.default_rng(0)
        descriptors = np.repeat(generator.normal(size=(10, 6)) + 4, 8, axis=0)
        descriptors[:, 2] += generator.normal(size=80)  # the light, say
        ids = [f"learn{row}" for row in range(80)]
        with mock.patch.object(record_labels, "read_landmarks", return_value=(
                [*ids[:72], "elsewhere"], [*(row // 8 for row in range(72)), 0])) as labels:
            whitening = self.fit(descriptors, train_pattern="shards/train-*", shrinkage=0.5, num_directions=1)
        labels.assert_called_once_with("shards/train-*")
        np.testing.assert_array_equal(whitening.mean, np.zeros(6))
        expected = kernel_of(*learn_whitening(descriptors[:72], np.repeat(np.arange(9), 8), 0.5, 1))
        np.testing.assert_allclose(whitening.projection, expected, atol=1e-6)
        self.assertLess(whitening.projection[2, 2], 0.7)
        self.assertEqual(read_whitening(self.path("w.npz"), "a", 6).description, whitening.description)

    def test_images_are_drawn_where_there_are_more(self):
        descriptors = np.random.default_rng(0).normal(size=(30, 3)).astype(np.float32)
        whitening = self.fit(descriptors, num_training_images=10, seed=1)
        rows = np.sort(np.random.default_rng(1).permutation(30)[:10])
        np.testing.assert_allclose(whitening.mean, descriptors[rows].mean(axis=0), rtol=1e-5)
        self.assertEqual(whitening.settings["num_images"], 10)

    def test_reads_back_what_was_written(self):
        written = self.fit(dimension=1)
        read = read_whitening(self.path("w.npz"), "a", 2)
        for name in ("mean", "projection"):
            np.testing.assert_array_equal(getattr(read, name), getattr(written, name))
        self.assertEqual(read.description, written.description)
        self.assertEqual(read.settings, written.settings)
        self.assertEqual({**read.settings, "fingerprint": ""}, {
            "fingerprint": "", "source": self.path("learn.h5"), "num_images": 4, "dimension": 1})
        again = Whitening(written.mean, 2 * written.projection, written.description)
        self.assertNotEqual(again.settings["fingerprint"], written.settings["fingerprint"])

    def test_a_whitening_of_another_model_is_refused(self):
        self.fit()
        for model, dim in (("b", 2), ("a", 3)):
            with self.assertRaisesRegex(ValueError, "of the model it is for. Received: .*w.npz', learnt on .*"
                                        f"learn.h5' of model 'a', 2 dimensions, for model '{model}', {dim}"):
                read_whitening(self.path("w.npz"), model, dim)

    def test_a_damaged_file_is_refused(self):
        self.fit()
        with open(self.path("w.npz"), "rb") as file:
            content = file.read()
        with open(self.path("other.npz"), "wb") as file:
            np.savez(file, mean=VECTORS)
        for name, damaged in (("a.npz", content[:len(content) // 2]), ("b.npz", b"x"), ("c.npz", b"")):
            with open(self.path(name), "wb") as file:
                file.write(damaged)
        for name in ("a.npz", "b.npz", "c.npz", "other.npz"):
            with self.assertRaisesRegex(ValueError, f"{name} must be a file of delg.fit_whitening"):
                read_whitening(self.path(name), "a", 2)

    def test_a_file_that_says_what_cannot_be_is_refused(self):
        written = self.fit()
        for changed, message in (({"format": 9}, "ValueError: format 9"),
                                 ({"num_images": "many"}, "TypeError: num_images must be int, not str"),
                                 ({"model": None}, "TypeError: model must be str, not NoneType"),
                                 ({"mean": written.mean.astype(np.float64)}, "mean float64 .2,., projection"),
                                 ({"mean": written.mean[:1]}, "mean float32 .1,., projection"),
                                 ({"mean": written.mean * np.float32(np.nan)}, "not finite")):
            description = {**written.description, **changed}
            arrays = {"mean": description.pop("mean", written.mean), "projection": written.projection}
            np.savez(self.path("w.npz"), description=np.array(json.dumps(description)), **arrays)
            with self.assertRaisesRegex(ValueError, f"w.npz must be a file of .*{message}"):
                read_whitening(self.path("w.npz"), "a", 2)

    def test_refuses_what_nothing_can_be_learnt_from(self):
        for descriptors, settings, message in (
                (VECTORS[:1], {}, "two images or more .*Received: 1 images of 2 dimensions, dimension=0"),
                (VECTORS, {"dimension": 3}, "Received: 4 images of 2 dimensions, dimension=3")):
            with self.assertRaisesRegex(ValueError, message):
                self.fit(descriptors, **settings)
        whitened = self.write_descriptors("w", VECTORS, {"whitening": {"source": "x"}})
        with self.assertRaisesRegex(ValueError, "`features` must not be whitened. Received: .*'source': 'x'"):
            fit_whitening(whitened, self.path("w.npz"))
        self.assertNotIn("w.npz", os.listdir(self.folder))

    def test_settings_are_checked(self):
        for settings, message in (
                ({"dimension": -1}, "`dimension` must not be negative. Received: dimension=-1"),
                ({"exponent": 1.5}, r"`exponent` must be in \[0, 1\]. Received: exponent=1.5"),
                ({"shrinkage": 0.0}, r"`shrinkage` must be in \(0, 1\]. Received: shrinkage=0.0"),
                ({"train_pattern": "train-*", "dimension": 2},
                 "`dimension` and `exponent` must be left alone where `train_pattern` is given. Received: "
                 "dimension=2, exponent=0.5"),
                ({"num_directions": 0}, "`num_directions` must be at least 1. Received: num_directions=0"),
                ({"num_training_images": 1}, "must be at least 2. Received: num_training_images=1"),
                ({"seed": -1}, "`seed` must not be negative. Received: seed=-1")):
            with self.assertRaisesRegex(ValueError, message):
                WhiteningConfig(**settings)


class WhitenedSearchTest(ShardFolderTest):
    """Queries `q`, images `i`; each also whitened by what was learnt on `learn` and on `other`."""

    def setUp(self):
        super().setUp()
        for name, seed in (("q", 0), ("i", 1), ("learn", 2), ("other", 3)):
            self.write(f"{name}.h5", [f"{name}{row}" for row in range(5)], [2] * 5, seed=seed)
        for source in ("learn", "other"):
            fit_whitening(self.path(f"{source}.h5"), self.path(f"{source}.npz"))
            for name in "qi":
                rewrite_features(self.path(f"{name}.h5"), self.path(f"by_{source}"),
                                 whitening=self.path(f"{source}.npz"))

    def search(self, queries, images, indexed):
        building.build_index(self.path(indexed), self.path("index"))
        return retrieval.search(self.path(queries), self.path(images), self.path("index"),
                                self.path("ranking.h5"), SearchConfig(verifier="none"))

    def test_whitened_queries_search_a_whitened_index(self):
        ranking = self.search("by_learn/q.h5", "by_learn/i.h5", "by_learn/i.h5")
        whitening = read_whitening(self.path("learn.npz"), "a", 3)
        queries, images = (
            whitening.apply(read_feature_shard(self.path(f"{name}.h5")).global_descriptors)
            for name in "qi")
        np.testing.assert_allclose(ranking.similarities[0], np.sort(queries[0] @ images.T)[::-1], atol=1e-5)

    def test_other_queries_are_refused(self):
        for queries in ("q.h5", "by_other/q.h5"):
            with self.assertRaisesRegex(ValueError, "`query_features` and `index_features` must be of one "
                                        "model and setting. Received: whitening=.*learn.h5"):
                self.search(queries, "by_learn/i.h5", "by_learn/i.h5")

    def test_an_index_of_other_features_is_refused(self):
        for indexed in ("i.h5", "by_other/i.h5"):
            with self.assertRaisesRegex(ValueError, "`index_dir` and `index_features` must be whitened "
                                        "alike. Received: whitening=.*index', .*learn.h5"):
                self.search("by_learn/q.h5", "by_learn/i.h5", indexed)

    def test_an_index_takes_no_other_features(self):
        building.build_index(self.path("by_learn/i.h5"), self.path("index"))
        with self.assertRaisesRegex(ValueError, "Features must have the features of the others"):
            building.update_index(self.path("index"), add_features=self.path("by_other/q.h5"))


if __name__ == "__main__":
    unittest.main()
