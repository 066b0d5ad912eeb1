import csv
import os
import tempfile
import unittest

import cv2
import numpy as np
import tensorflow as tf

from delg.index.files import changing
from delg.vectors.unit import unit_vectors
from hashing.codes import code_shards, codes, encoding
from hashing.index import rescoring, retrieval
from hashing.index.code_index import CodeIndex
from hashing.index.config import CodeIndexConfig
from tests.fixtures import photographs, scripts, tiny_backbone, tiny_hashing_models, tiny_shards


def setUpModule():
    tiny_backbone.use()


class SearchImagesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = folder.name
        os.makedirs(f"{cls.folder}/shards")
        tiny_shards.write_tiny_shards(f"{cls.folder}/shards")
        tiny_hashing_models.write_model_dir(f"{cls.folder}/model")
        cls.encoder = encoding.Encoder(model_dir=f"{cls.folder}/model")
        cls.train, cls.validation = (f"{cls.folder}/shards/{split}-*" for split in ("train", "validation"))
        for split in ("train", "validation"):
            encoding.encode_images(cls.encoder, f"{cls.folder}/shards/{split}-*", f"{cls.folder}/codes")
        cls.index = retrieval.build_index(f"{cls.folder}/codes/train-*", f"{cls.folder}/index",
                                          CodeIndexConfig())

    def _photo(self):
        """The file of the first image of the index."""
        path = f"{self.folder}/photo.jpg"
        record = next(iter(retrieval.read_examples_of(self.train, {"train_0_0"}, "f").values()))
        with open(path, "wb") as file:
            file.write(record.encoded)
        return path

    def test_a_photo_of_the_index_is_found_first(self):
        queries = retrieval.encode_photos(self.encoder, [self._photo()])
        ranking = retrieval.search(self.index, queries, 5)
        distances = dict(ranking.results[0])
        self.assertEqual(min(distances.values()), 0)
        whole = dict(retrieval.search(self.index, queries, 24).results[0])
        self.assertEqual(whole["train_0_0"], 0)
        self.assertEqual(len(whole), 24)

    def test_a_photo_stored_turned_is_seen_upright(self):
        images = {"stored.png": photographs.oriented("PNG", 6),
                  "upright.png": photographs.encode(np.rot90(photographs.pixels(), 3), "PNG")}
        for name, encoded in images.items():
            with open(f"{self.folder}/{name}", "wb") as file:
                file.write(encoded)
        queries = retrieval.encode_photos(self.encoder, [f"{self.folder}/{name}" for name in images])
        np.testing.assert_allclose(*queries.values, atol=1e-6)  # of a batch, whose sums rows share
        sheets = []
        for query in queries.ids:
            retrieval.draw_ranking(f"{self.folder}/sheet.png", retrieval.Ranking([query], [[]]), self.train)
            sheets.append(cv2.imread(f"{self.folder}/sheet.png"))
        self.assertEqual((sheets[0] != sheets[1]).mean() < 0.05, True)  # names differ

    def test_added_images_are_found_by_name(self):
        retrieval.build_index(f"{self.folder}/codes/train-*", f"{self.folder}/grown", CodeIndexConfig())
        grown = retrieval.add_to_index(f"{self.folder}/codes/validation-*", f"{self.folder}/grown")
        self.assertEqual(len(grown), 32)
        queries = code_shards.read_codes(f"{self.folder}/codes/validation-*")
        found = retrieval.search(CodeIndex.load(f"{self.folder}/grown"), queries, 32)
        for query, results in zip(found.query_ids, found.results):
            self.assertEqual(dict(results)[query], 0)
        with self.assertRaisesRegex(ValueError, "unique in an index"):
            retrieval.add_to_index(f"{self.folder}/codes/validation-*", f"{self.folder}/grown")

    def test_an_index_of_the_first_bits_is_asked_and_grows_by_theirs(self):
        index = retrieval.build_index(f"{self.folder}/codes/train-*", f"{self.folder}/short",
                                      CodeIndexConfig(), num_bits=12)
        self.assertEqual((index.code_size, index.codes.shape[1]), (12, 2))
        index = retrieval.add_to_index(f"{self.folder}/codes/validation-*", f"{self.folder}/short")
        queries = code_shards.read_codes(f"{self.folder}/codes/validation-*")
        found = retrieval.search(index, queries, 32)
        bits = codes.unpack(queries.cut(12).packed_codes, 12)
        for query, own, results in zip(found.query_ids, codes.hamming_distances(bits, bits), found.results):
            distances = dict(results)
            self.assertEqual([distances[other] for other in queries.ids], own.tolist())
            self.assertEqual(distances[query], 0)
        scorer = rescoring.scorer_for("values", index, f"{self.folder}/codes")
        short = unit_vectors(queries.values[:1, :12]) @ unit_vectors(queries.values[:, :12]).T
        ranking = retrieval.search(index, queries.take(np.arange(1)), 32, scorer, 32)
        scores = dict(zip((name for name, _ in ranking.results[0]), ranking.scores[0]))
        np.testing.assert_allclose([scores[name] for name in queries.ids], short[0], atol=1e-5)
        with self.assertRaisesRegex(ValueError, "trained to have: 8, 12. Received: num_bits=16"):
            retrieval.search(self.index, queries.cut(12), 1)

    def test_one_process_changes_an_index_at_a_time(self):
        folder, more = f"{self.folder}/alone", f"{self.folder}/codes/validation-*"
        retrieval.build_index(f"{self.folder}/codes/train-*", folder, CodeIndexConfig())
        with changing(folder):
            for change in (lambda: retrieval.add_to_index(more, folder),
                           lambda: retrieval.build_index(more, folder, CodeIndexConfig())):
                with self.assertRaisesRegex(OSError, "`index_dir` must be changed by one process .*alone"):
                    change()
        self.assertEqual(len(CodeIndex.load(folder)), 24)
        with self.assertRaises(FileNotFoundError):
            retrieval.add_to_index(more, f"{self.folder}/none")
        self.assertFalse(os.path.exists(f"{self.folder}/none"))

    def test_a_sheet_shows_the_query_and_what_was_found(self):
        queries = code_shards.read_codes(f"{self.folder}/codes/validation-*").take(np.arange(2))
        ranking = retrieval.search(self.index, queries, 3)
        retrieval.draw_ranking(f"{self.folder}/sheet.png", ranking, self.train, self.validation)
        small = cv2.imread(f"{self.folder}/sheet.png")
        retrieval.draw_ranking(f"{self.folder}/sheet.png", retrieval.search(self.index, queries, 6),
                               self.train, self.validation)
        wide = cv2.imread(f"{self.folder}/sheet.png")
        self.assertEqual(small.shape[0], wide.shape[0])
        self.assertGreater(wide.shape[1], small.shape[1])

    def test_ranking_as_a_table(self):
        retrieval.write_ranking(f"{self.folder}/ranking.csv", retrieval.Ranking(
            ["é,1"], [[("a", 0), ("b", 3)]]))
        with open(f"{self.folder}/ranking.csv", encoding="utf-8", newline="") as file:
            self.assertEqual(list(csv.reader(file)), [["query", "rank", "id", "distance"],
                                                      ["é,1", "1", "a", "0"], ["é,1", "2", "b", "3"]])

    def test_real_values_and_features_put_the_nearest_in_order(self):
        with_features = f"{self.folder}/with_features"
        encoding.encode_images(self.encoder, self.train, with_features, keep_features=True)
        index = CodeIndex.load(f"{self.folder}/index")
        images = code_shards.read_codes(with_features)
        queries = images.take(np.arange(3))
        signs = 2.0 * codes.unpack(images.packed_codes, 16) - 1
        for kind, of_queries, of_images in (
                ("asymmetric", queries.values, signs), ("values", queries.values, images.values),
                ("features", queries.features, images.features)):
            with self.subTest(kind):
                scorer = rescoring.scorer_for(kind, index, with_features)
                ranking = retrieval.search(index, queries, 5, scorer, num_candidates=24)
                if kind != "asymmetric":
                    of_queries, of_images = unit_vectors(of_queries), unit_vectors(of_images)
                scores = of_queries @ of_images.T
                for row, results in enumerate(ranking.results):
                    order = np.argsort(-scores[row], kind="stable")[:5]
                    np.testing.assert_allclose(ranking.scores[row], scores[row, order], rtol=1e-5)
                    self.assertEqual(len(results), 5)

    def test_scores_stand_in_the_table(self):
        path = f"{self.folder}/rescored.csv"
        retrieval.write_ranking(path, retrieval.Ranking(["q"], [[("a", 2), ("b", 1)]], [[0.75, 0.5]]))
        with open(path, encoding="utf-8", newline="") as file:
            self.assertEqual(list(csv.reader(file)), [["query", "rank", "id", "distance", "score"],
                                                      ["q", "1", "a", "2", "0.75"],
                                                      ["q", "2", "b", "1", "0.5"]])

    def test_what_cannot_be_rescored_is_refused(self):
        queries = code_shards.read_codes(f"{self.folder}/codes/train-*").take(np.arange(1))
        for kind, shards, message in (
                ("features", "train-*", "`rescore_by` features needs them .*Received: 0 numbers of a query"),
                ("values", "validation-*", "`index_codes` must hold every image .*lacks 24")):
            with self.subTest(kind), self.assertRaisesRegex(ValueError, message):
                scorer = rescoring.scorer_for(kind, self.index, f"{self.folder}/codes/{shards}")
                retrieval.search(self.index, queries, 3, scorer, 24)
        other = CodeIndex(self.index.codes, self.index.ids(np.arange(24)), 16, fingerprint="other")
        with self.assertRaisesRegex(ValueError, "of the model of the index, other. Received: .*train"):
            retrieval.search(other, queries, 3, rescoring.scorer_for(
                "values", other, f"{self.folder}/codes/train-*"), 24)

    def test_other_models_and_bad_photos_are_refused(self):
        with self.assertRaisesRegex(ValueError, "of the model of the index, .*Received: codes of other"):
            retrieval.check_model("other", self.index, "codes")
        with self.assertRaisesRegex(FileNotFoundError, "An image must be a file. Received: 'absent.jpg'"):
            retrieval.encode_photos(self.encoder, ["absent.jpg"])
        with tempfile.NamedTemporaryFile(suffix=".jpg") as file, \
                self.assertRaisesRegex(ValueError, "must be an image that can be decoded.*zero bytes"):
            retrieval.encode_photos(self.encoder, [file.name])

    def _run_script(self, **flags):
        return scripts.run("hashing.search_images", index_dir=f"{self.folder}/index", **flags)

    def test_script_refuses_flags_that_do_not_go_together(self):
        for flags, message in (
                ({"image": "a", "query_codes": "b"},
                 r"Give `image` or `query_codes`. Received: image=\['a'\]"),
                ({"query_codes": "b", "rescore_by": "values"},
                 "`index_codes` goes with `rescore_by` values or features. Received: index_codes=''"),
                ({"image": "a", "sheet": "s.png"}, "`sheet` needs `index_images`. Received: sheet='s.png'"),
                ({"query_codes": "b", "sheet": "s.png", "index_images": "c"},
                 "`sheet` with `query_codes` needs `query_images`. Received: query_images=''")):
            done = self._run_script(**flags)
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stderr, f"^Error: {message}")

    def test_script(self):
        done = self._run_script(
            model_dir=f"{self.folder}/model", image=self._photo(), num_neighbors=24,
            index_images=self.train, sheet=f"{self.folder}/found.png", rescore_by="asymmetric")
        self.assertEqual(done.returncode, 0, done.stderr[-2000:])
        self.assertRegex(done.stdout, r"\n +\d+ +0 bits  train_0_0\n")
        self.assertIsNotNone(tf.io.decode_png(tf.io.read_file(f"{self.folder}/found.png")))


if __name__ == "__main__":
    unittest.main()
