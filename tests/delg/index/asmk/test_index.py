"""delg.index.asmk.index: similarities against slow loops; built, changed, damaged and loaded."""

import os
import pathlib
import shutil
import tempfile
import unittest
from unittest import mock

import faiss
import numpy as np

from delg.features.reader import FeatureReader
from delg.index import building
from delg.index.asmk import index as asmk_index
from delg.index.asmk import quantizer, segments
from delg.settings.index import IndexConfig
from delg.settings.kinds import INDEX_KINDS, LOCAL_FEATURES
from tests.fixtures import slow_asmk
from tests.fixtures.feature_shards import FeatureShard, write_feature_shard

DIMENSION = 12
LOCAL_TYPES = [name for name, kind in INDEX_KINDS.items() if kind.ranked_by == LOCAL_FEATURES]


def local_descriptors(number):
    """Some unit descriptors of an image, near those of others of its landmark; one image has none."""
    count = 0 if number == 4 else 8 + number % 5
    looks = np.random.default_rng(number // 3).normal(size=(count, DIMENSION))
    looks += 0.4 * np.random.default_rng(1000 + number).normal(size=looks.shape)
    return (looks / np.linalg.norm(looks, axis=1, keepdims=True)).astype(np.float32)


def write_features(path, numbers, locals_=None, **config):
    locals_ = locals_ or [local_descriptors(number) for number in numbers]
    offsets = np.cumsum([0, *map(len, locals_)])
    zeros = np.zeros((offsets[-1], 2), np.float32)
    write_feature_shard(str(path), FeatureShard(
        [f"i{number}" for number in numbers], np.ones((len(numbers), 1), np.float32),
        np.full((len(numbers), 2), 9), offsets.astype(np.int64), zeros, np.concatenate(locals_), zeros[:, 0],
        zeros[:, 0], {"fingerprint": "model", "local_scales": [1.0], **config}))


class AsmkIndexTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.addCleanup(faiss.omp_set_num_threads, faiss.omp_get_max_threads())
        faiss.omp_set_num_threads(1)  # so little work takes longer on several
        for shard in range(2):
            write_features(self.folder / f"index-{shard:05d}-of-00002.h5", range(9 * shard, 9 * shard + 9))
        self.index_dir = str(self.folder / "index")
        self.queries = [local_descriptors(number) for number in (100, 1, 4, 7)]

    def build(self, index_type="asmk", features="index-*.h5", **settings):
        config = IndexConfig(index_type=index_type, **{"num_codewords": 6, **settings})
        return building.build_index(str(self.folder / features), self.index_dir, config)

    def files(self):
        return {name: (self.folder / "index" / name).read_bytes() for name in os.listdir(self.index_dir)
                if name != ".lock"}

    def expected(self, built, numbers=None, num_assignments=2, weights=None, **settings):
        codebook = built.quantizer.codebook
        images = [slow_asmk.residuals_of(local_descriptors(number), codebook)
                  for number in numbers or range(18)]
        asked = [slow_asmk.residuals_of(query, codebook, num_assignments) for query in self.queries]
        return [[slow_asmk.kernel(query, image, weights=weights, **settings) for image in images]
                for query in asked]

    def assert_similarities(self, built, expected, atol=1e-5):
        rows, similarities = built.search(self.queries, 0)
        np.testing.assert_allclose(similarities, np.take_along_axis(np.array(expected), rows, 1), atol=atol)
        np.testing.assert_array_equal(np.sort(rows), np.tile(np.arange(len(built)), (len(rows), 1)))
        self.assertTrue(np.all(np.diff(similarities, axis=1) <= 0))

    def test_similarities_are_those_of_the_formulas(self):
        for index_type in LOCAL_TYPES:
            for threshold in (0.3, -0.5):
                built = self.build(index_type, num_assignments=2, asmk_alpha=2.5, asmk_threshold=threshold)
                self.assert_similarities(built, self.expected(
                    built, alpha=2.5, threshold=threshold, is_binary=index_type == "binary_asmk"))

    def test_rare_codewords_weigh_more_with_idf(self):
        built = self.build(num_assignments=2, asmk_idf=True, num_codewords=20)
        codebook = built.quantizer.codebook
        images = [slow_asmk.residuals_of(local_descriptors(number), codebook) for number in range(18)]
        counts = [sum(word in image for image in images) for word in range(20)]
        weights = [np.log(18 / max(1, count)) ** 2 for count in counts]
        self.assert_similarities(built, self.expected(built, weights=weights))

    def test_an_image_is_wholly_similar_to_itself(self):
        self.queries = [local_descriptors(number) for number in range(18) if number != 4]
        for index_type in LOCAL_TYPES:
            for idf in (False, True):
                rows, similarities = self.build(index_type, num_assignments=1, num_codewords=20,
                                                asmk_idf=idf).search(self.queries, 1)
                np.testing.assert_array_equal(rows[:, 0], [row for row in range(18) if row != 4])
                np.testing.assert_allclose(similarities, 1, atol=1e-5)

    def test_half_precision_and_many_small_segments(self):
        whole = self.build(num_assignments=2)
        expected = self.expected(whole)
        self.assert_similarities(self.build(num_assignments=2, descriptor_dtype="float16"), expected, 2e-3)
        with mock.patch.multiple(segments, _SEGMENT_BYTES=1, _BATCH_IMAGES=2), \
                mock.patch.multiple(asmk_index, _BATCH_QUERIES=2, _MAX_SIMILARITIES=1):
            parted = self.build(num_assignments=2)
            self.assertEqual(sum(name.startswith("residuals") for name in self.files()), 10)
            self.assert_similarities(parted, expected)

    def test_signs_have_one_type_alone(self):
        with self.assertRaisesRegex(ValueError, "must be float32 where `index_type` is binary_asmk.*float16"):
            self.build("binary_asmk", descriptor_dtype="float16")
        self.assertFalse(os.path.exists(self.index_dir))

    def test_number_of_results_and_queries_without_features(self):
        built = self.build()
        rows, similarities = built.search(iter(self.queries), 3)
        self.assertEqual((rows.shape, rows.dtype, similarities.dtype), ((4, 3), np.int32, np.float32))
        np.testing.assert_array_equal(rows[2], [0, 1, 2])
        np.testing.assert_array_equal(similarities[2], 0)
        self.assertEqual(built.search([], 3)[0].shape, (0, 3))
        with self.assertRaisesRegex(ValueError, r"must be \[n, 12\] as those of the index.*\(2, 5\)"):
            built.search([np.ones((2, 5), np.float32)], 3)

    def test_images_come_and_go_without_a_rebuild(self):
        write_features(self.folder / "more.h5", range(18, 24), local_dtype="float32")
        removed = ["i0", "i5", "i17"]
        numbers = [number for number in range(24) if f"i{number}" not in removed]
        for index_type in LOCAL_TYPES:
            self.build(index_type, num_assignments=2)
            building.update_index(self.index_dir, remove_ids=removed[:2])
            changed = building.update_index(self.index_dir, str(self.folder / "more.h5"), removed[2:])
            self.assertEqual(changed.ids, [f"i{number}" for number in numbers])
            self.assert_similarities(changed, self.expected(changed, numbers,
                                                            is_binary=index_type == "binary_asmk"))

    def test_refused_changes_leave_the_index_as_it_was(self):
        write_features(self.folder / "known.h5", [30, 7])
        write_features(self.folder / "other.h5", [30], fingerprint="other")
        write_features(self.folder / "scales.h5", [30], local_scales=[2.0])
        write_features(self.folder / "short.h5", [30], [np.ones((2, 5), np.float32)])
        self.build()
        before = self.files()
        for features, message in (("known.h5", "unique in an index. Received: 'i7'"),
                                  ("other.h5", "fingerprint of the others.*'other' from image 'i30' on"),
                                  ("scales.h5", "must have the features of the others"),
                                  ("short.h5", "must have the dimension of the others.* 5 from image")):
            with self.assertRaisesRegex(ValueError, message):
                building.update_index(self.index_dir, str(self.folder / features))
            self.assertEqual(self.files(), before)

    def test_codewords_of_other_images(self):
        write_features(self.folder / "learn.h5", range(200, 230))
        write_features(self.folder / "other.h5", range(200, 230), fingerprint="other")
        built = self.build(codebook_features=str(self.folder / "learn.h5"))
        self.assertEqual(len(built), 18)
        own = self.build()
        self.assertGreater(np.abs(built.quantizer.codebook - own.quantizer.codebook).max(), 0.01)
        before = self.files()
        with self.assertRaisesRegex(ValueError, "must have the fingerprint of the others.*'other' before"):
            self.build(codebook_features=str(self.folder / "other.h5"))
        with self.assertRaisesRegex(ValueError, "learn codewords from must be of one model.*model, other"):
            self.build(codebook_features=str(self.folder / "*.h5"))
        write_features(self.folder / "none.h5", [4])
        with self.assertRaisesRegex(ValueError, "must have local features. Received: none in .*none.h5"):
            self.build(codebook_features=str(self.folder / "none.h5"))
        with self.assertRaisesRegex(ValueError, "`num_codewords` must be at most.*=999, "):
            self.build(num_codewords=999)
        self.assertEqual(self.files(), before)

    def test_training_descriptors_are_those_of_the_features(self):
        every, fingerprint = segments.training_descriptors(str(self.folder / "index-*.h5"), 10**6, 0)
        self.assertEqual(fingerprint, "model")
        with FeatureReader(str(self.folder / "index-*.h5")) as images:
            np.testing.assert_array_equal(every, np.concatenate(
                [images.local_features(row).descriptors for row in range(18)]))
        some, _ = segments.training_descriptors(str(self.folder / "index-*.h5"), 40, 0)
        places = [np.flatnonzero((every == descriptor).all(axis=1)) for descriptor in some]
        self.assertEqual([len(place) for place in places], [1] * 40)
        self.assertTrue(np.all(np.diff(np.concatenate(places)) > 0))

    def test_built_twice_the_files_are_the_same(self):
        for index_type in LOCAL_TYPES:
            self.build(index_type)
            before = sorted(content for name, content in self.files().items() if name != "index.json")
            self.build(index_type)
            self.assertEqual(before, sorted(content for name, content in self.files().items()
                                            if name != "index.json"))

    def test_images_of_the_index_among_one_another(self):
        for index_type in LOCAL_TYPES:
            self.build(index_type)
            write_features(self.folder / "more.h5", [30, 31])
            changed = building.update_index(self.index_dir, str(self.folder / "more.h5"), ["i3"])
            images = [local_descriptors(int(image_id[1:])) for image_id in changed.ids]
            rows = np.array([18, 0, 3, 9, 2])
            expected = changed.similarities([images[row] for row in rows], of_images=True)[:, rows]
            np.testing.assert_allclose(changed.similarities_among(rows), expected, atol=1e-6)

    def test_many_codewords_are_kept_with_their_cells(self):
        with mock.patch.object(quantizer, "_MOST_WITHOUT_CELLS", 5):
            built = self.build()
        self.assertIn("cells-00000.npy", self.files())
        loaded = building.load_index(self.index_dir)
        for found, expected in zip(loaded.search(self.queries, 5), built.search(self.queries, 5)):
            np.testing.assert_array_equal(found, expected)
        nearest = [quantizer.quantize(descriptors, built.quantizer.codebook) for descriptors in self.queries]
        self.assertEqual([loaded.quantizer.aggregate_image(query)[0].tolist() for query in self.queries],
                         [np.unique(words).tolist() for words in nearest])  # all cells are looked through

    def test_damage_is_found(self):
        for index_type in LOCAL_TYPES:
            with mock.patch.object(quantizer, "_MOST_WITHOUT_CELLS", 5):
                self.build(index_type)
            for name, content in self.files().items():
                path = self.folder / "index" / name
                damaged = bytearray(content)
                damaged[len(content) // 2] ^= 0xFF
                for change in (bytes(damaged), content[:-2], None):
                    if change is None:
                        path.unlink()
                    else:
                        path.write_bytes(change)
                    with self.assertRaisesRegex((ValueError, FileNotFoundError),
                                                "build the index again|build the index|has no index.json"):
                        building.load_index(self.index_dir, check_descriptors=True)
                path.write_bytes(content)


if __name__ == "__main__":
    unittest.main()
