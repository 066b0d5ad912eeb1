"""delg.index.building: built, changed, damaged and loaded."""

import json
import os
import pathlib
import shutil
import tempfile
import unittest
from unittest import mock

import numpy as np

from data_prep.stage import files
from delg.index import building, global_index
from delg.index import files as index_files
from delg.index.searching import ExactIndex
from delg.settings.index import IndexConfig
from delg.settings.kinds import GLOBAL_DESCRIPTORS, INDEX_KINDS
from tests.fixtures.feature_shards import FeatureShard, write_feature_shard
from tests.fixtures.saved_index import save_index

DIMENSION = 16
GLOBAL_TYPES = [name for name, kind in INDEX_KINDS.items() if kind.ranked_by == GLOBAL_DESCRIPTORS
                and "descriptors" in kind.stems]  # those that hold them elsewhere: tests of `engines`


def descriptors_of(numbers):
    """Unit descriptors that belong to the numbers of images, three of each of many clusters."""
    rows = []
    for number in numbers:
        centre = np.random.default_rng(number // 3).normal(size=DIMENSION)
        rows.append(centre + 0.3 * np.random.default_rng(10**6 + number).normal(size=DIMENSION))
    rows = np.array(rows, np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def write_features(path, numbers, descriptors=None, **config):
    count = len(numbers)
    write_feature_shard(str(path), FeatureShard(
        [f"i{number}" for number in numbers], descriptors_of(numbers) if descriptors is None else descriptors,
        np.full((count, 2), 9), np.zeros(count + 1, np.int64), np.zeros((0, 2), np.float32),
        np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.float32),
        {"fingerprint": "model", "global_scales": [1.0], "max_num_features": 10, **config}))


class IndexTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.index_dir = str(self.folder / "index")
        for shard in range(2):
            write_features(self.folder / f"index-{shard:05d}-of-00002.h5",
                           range(150 * shard, 150 * shard + 150))
        self.features = str(self.folder / "index-*.h5")
        self.queries = descriptors_of(range(0, 300, 20)) + 0.01

    def build(self, index_type="exact", **settings):
        config = IndexConfig(index_type=index_type, reduced_dimension=8, num_lists=8, num_probes=8,
                             num_candidates=60, **settings)
        return building.build_index(self.features, self.index_dir, config)

    def files(self):
        return {name: (self.folder / "index" / name).read_bytes() for name in os.listdir(self.index_dir)
                if name != ".lock"}

    def test_is_changed_by_one_process_at_a_time(self):
        self.build()
        before = self.files()
        with index_files.changing(self.index_dir):
            for change in (self.build, lambda: building.update_index(self.index_dir, remove_ids=["i3"]),
                           lambda: save_index(building.load_index(self.index_dir), self.index_dir)):
                with self.assertRaisesRegex(OSError, "changed by one process .*/index', where another one"):
                    change()
        self.assertEqual(self.files(), before)
        with self.assertRaisesRegex(FileNotFoundError, "no index.json"):
            building.update_index(str(self.folder / "none"), remove_ids=["i3"])
        self.assertFalse((self.folder / "none").exists())

    def expected(self, numbers, kept=5):
        products = self.queries @ descriptors_of(numbers).T
        return np.argsort(-products, axis=1, kind="stable")[:, :kept]

    def test_every_type_finds_the_true_neighbours(self):
        for index_type in GLOBAL_TYPES:
            for settings in ({}, {"descriptor_dtype": "float16"}):
                built = self.build(index_type, **settings)
                self.assertEqual((built.ids, built.fingerprint), ([f"i{n}" for n in range(300)], "model"))
                rows, _ = built.search(self.queries, 5)
                self.assertGreater(np.mean(rows[:, :3] == self.expected(range(300))[:, :3]), 0.95)
                loaded = building.load_index(self.index_dir, check_descriptors=True)
                np.testing.assert_array_equal(loaded.search(self.queries, 5)[0], rows)

    def test_built_twice_the_files_are_the_same(self):
        for index_type in ("binary", "ivf"):
            self.build(index_type)
            before = sorted(content for name, content in self.files().items() if name != "index.json")
            self.build(index_type)
            after = sorted(content for name, content in self.files().items() if name != "index.json")
            self.assertEqual(before, after)

    def test_unscaled_descriptors_are_scaled_and_large_sets_parted(self):
        write_features(self.folder / "index-00001-of-00002.h5", range(150, 300),
                       7 * descriptors_of(range(150, 300)))
        with mock.patch.object(global_index, "_SEGMENT_BYTES", 1):
            built = self.build()
        self.assertEqual(sum(name.startswith("descriptors") for name in self.files()), 2)
        np.testing.assert_array_equal(built.search(self.queries, 5)[0], self.expected(range(300)))

    def test_images_come_and_go_without_a_rebuild(self):
        write_features(self.folder / "more.h5", range(300, 360), max_num_features=99)
        removed = [f"i{number}" for number in range(0, 300, 4)]
        numbers = [number for number in range(360) if number % 4 or number >= 300]
        for index_type in GLOBAL_TYPES:
            self.build(index_type)
            first = {name: content for name, content in self.files().items() if name.startswith("desc")}
            building.update_index(self.index_dir, remove_ids=removed[:20])
            building.update_index(self.index_dir, str(self.folder / "more.h5"), removed[20:])
            loaded = building.load_index(self.index_dir, check_descriptors=True)
            self.assertEqual(loaded.ids, [f"i{number}" for number in numbers])
            self.assertLessEqual(first.items(), self.files().items())
            rows, similarities = loaded.search(self.queries, 5)
            self.assertGreater(np.mean(rows[:, :2] == self.expected(numbers)[:, :2]), 0.95)
            products = self.queries @ descriptors_of(numbers).T
            products /= np.linalg.norm(self.queries, axis=1, keepdims=True)
            np.testing.assert_allclose(similarities, np.take_along_axis(products, rows, 1), atol=1e-5)
            np.testing.assert_allclose(loaded.descriptors[5:9], descriptors_of(numbers[5:9]), atol=1e-6)

    def write_equal(self, name, numbers, num_nearly=0):
        """Images of one descriptor but for the last digits of some, as of a picture uploaded often."""
        descriptors = np.repeat(descriptors_of([10**5]), len(numbers), axis=0)
        descriptors[:num_nearly] += 1e-7 * np.random.default_rng(0).normal(size=(num_nearly, DIMENSION))
        write_features(self.folder / name, numbers, descriptors)

    def grouped_as(self, groups):
        return mock.patch("delg.index.candidates.kind.group_places", lambda store, known: groups)

    def found(self, index, numbers, count=3):
        """Ids of the first results of images that are asked for by their own descriptors."""
        rows, similarities = index.search(descriptors_of(numbers), count)
        np.testing.assert_allclose(similarities[:, 0], 1, atol=1e-6)
        return [index.ids[row] for row in rows[:, 0]]

    def test_many_equal_descriptors_hide_no_image(self):
        others = range(0, 300, 15)
        names = [f"i{number}" for number in others]
        for index_type in GLOBAL_TYPES:
            with self.subTest(index_type):
                self.write_equal("index-00001-of-00002.h5", range(1000, 2000), num_nearly=100)
                write_features(self.folder / "index-00000-of-00002.h5", range(150))
                self.build(index_type, search_breadth=60)
                self.write_equal("more.h5", range(2000, 2500))
                building.update_index(self.index_dir, str(self.folder / "more.h5"), ["i1000", "i1101"])
                write_features(self.folder / "more.h5", range(150, 300))
                building.update_index(self.index_dir, str(self.folder / "more.h5"))
                index = building.load_index(self.index_dir, check_descriptors=True)
                self.assertEqual(self.found(index, others), names)
                rows, similarities = index.search(descriptors_of([10**5]), 40)
                self.assertTrue({int(index.ids[row][1:]) for row in rows[0]} <= set(range(1001, 2500)))
                np.testing.assert_allclose(similarities, 1, atol=1e-5)
                if index_type != "exact":  # of all that are nearly equal the finder has a few
                    self.assertLess(index.finder.num_places, 350)
                    self.assertEqual(len(np.unique(index.groups)), index.finder.num_places)
                building.update_index(self.index_dir, remove_ids=[f"i{n}" for n in range(1001, 2500)
                                                                  if n != 1101])
                self.assertEqual(self.found(building.load_index(self.index_dir), others), names)

    def test_an_index_without_groups_takes_up_equal_descriptors(self):
        self.write_equal("index-00001-of-00002.h5", range(1000, 1040))
        self.write_equal("more.h5", range(1040, 1080))
        for index_type in GLOBAL_TYPES:
            with self.grouped_as(np.arange(190)):
                self.build(index_type)
            self.assertNotIn("groups", {name.split("-")[0] for name in self.files()})
            index = building.update_index(self.index_dir, str(self.folder / "more.h5"))
            self.assertEqual(self.found(index, range(150)), [f"i{number}" for number in range(150)])
            rows, _ = index.search(descriptors_of([10**5]), 70)
            self.assertLessEqual({index.ids[row] for row in rows[0]}, {f"i{n}" for n in range(1000, 1080)})
            if index_type != "exact":
                self.assertEqual(index.finder.num_places, 190)

    def test_groups_that_skip_a_number_are_refused(self):
        self.write_equal("index-00001-of-00002.h5", range(1000, 1040))
        for groups in (np.maximum(np.arange(190), 2), np.zeros(190, np.int32), np.full(190, -1)):
            with self.grouped_as(groups), self.assertRaisesRegex(
                    ValueError, "groups-.* must number groups from 0 without a gap. Received: int"):
                self.build("binary")

    def test_an_image_is_replaced_in_one_call(self):
        self.build("binary")
        write_features(self.folder / "new.h5", [7], descriptors_of([1000]))
        changed = building.update_index(self.index_dir, str(self.folder / "new.h5"), ["i7"])
        self.assertEqual((len(changed), changed.ids[-1]), (300, "i7"))
        self.assertEqual(changed.search(descriptors_of([1000]), 1)[0], [[299]])

    def test_refused_changes_leave_the_index_as_it_was(self):
        write_features(self.folder / "known.h5", [400, 7])
        write_features(self.folder / "other.h5", [400], fingerprint="other")
        write_features(self.folder / "scales.h5", [400], global_scales=[2.0])
        write_features(self.folder / "short.h5", [400], np.eye(1, 8, dtype=np.float32))
        write_features(self.folder / "zero.h5", [400], np.zeros((1, DIMENSION), np.float32))
        self.build("ivf")
        before = self.files()
        for features, removed, message in (
                ("known.h5", [], "must be unique in an index. Received: 'i7'"),
                ("other.h5", [], "must have the fingerprint.*'other' from image 'i400' on, 'model' before"),
                ("scales.h5", [], "must have the features of the others"),
                ("short.h5", [], "must have the dimension of the others in the index. Received: 8"),
                ("zero.h5", [], "from image 'i400' on must be finite and not zero"),
                ("", ["i5", "no", "none"], "must be ids of images in .*'no' and 1 others"),
                ("", [f"i{number}" for number in range(300)], "must leave an image in the index.*all 300")):
            with self.assertRaisesRegex(ValueError, message):
                building.update_index(self.index_dir, features and str(self.folder / features), removed)
            self.assertEqual(self.files(), before)

    def test_broken_off_building_leaves_the_index_as_it_was(self):
        self.build("binary")
        before = self.files()
        for broken in ("write_array", "write_ids", "finish"):
            with mock.patch.object(index_files.IndexWriter, broken, side_effect=OSError("full")), \
                    self.assertRaises(OSError):
                self.build("binary")
            self.assertEqual(self.files(), before)

    def test_refuses_features_of_two_models_and_no_features(self):
        write_features(self.folder / "index-00001-of-00002.h5", range(150, 300), fingerprint="other")
        with self.assertRaisesRegex(ValueError, "must have the fingerprint of the others"):
            self.build()
        self.assertEqual(os.listdir(self.index_dir), [".lock"])
        with self.assertRaisesRegex(ValueError, "must hold at least one image"):
            save_index(ExactIndex(np.zeros((0, 3), np.float32), []), self.index_dir)

    def test_damage_is_found_before_faiss_sees_it(self):
        for index_type in GLOBAL_TYPES:
            self.build(index_type)
            for name, content in self.files().items():
                path = self.folder / "index" / name
                damaged = bytearray(content)
                damaged[len(content) // 2] ^= 0xFF
                for change, message in ((bytes(damaged), "damaged, build|build the index again"),
                                        (content[:-2], f"must have {len(content)} bytes|build the index"),
                                        (None, "must be there as index.json says|has no index.json")):
                    if change is None:
                        path.unlink()
                    else:
                        path.write_bytes(change)
                    with mock.patch("faiss.deserialize_index", side_effect=AssertionError), \
                            self.assertRaisesRegex((ValueError, FileNotFoundError), message):
                        building.load_index(self.index_dir, check_descriptors=True)
                path.write_bytes(content)

    def test_contradicting_files_are_refused(self):
        self.build()
        path = self.folder / "index" / "index.json"
        whole = json.loads(path.read_text(encoding="utf-8"))
        for change, message in (({"num_images": 299}, "promises 299 images. Received: 300 ids"),
                                ({"config": []}, "config must be dict, not list"),
                                ({"arrays": {"ids": "ids-00009.json"}}, "ids-00009.json is not among"),
                                ({"format": 1}, "must be a whole description of format 2"),
                                ({"dimension": 8}, r"must be float32 or float16 \[n, 8\]"),
                                ({"segments": ["../secret.npy"]}, "must be a whole description"),
                                ({"files": {"../secret.npy": {"bytes": 1, "sha256": ""}}},
                                 "must be a whole description"),
                                ({"files": {**whole["files"], "ids-00000.json": {"bytes": "1"}}},
                                 "bytes and SHA-256 of ids-00000.json")):
            changed = {**whole, **change}
            changed["sha256"] = files.json_digest(changed)
            path.write_text(json.dumps(changed), encoding="utf-8")
            with self.assertRaisesRegex(ValueError, message):
                building.load_index(self.index_dir)

    def test_files_of_others_in_the_folder_are_left_alone(self):
        self.build("ivf")
        (self.folder / "index" / "notes-00007.npy").write_bytes(b"mine")
        (self.folder / "index" / "codebook-00003.npy").write_bytes(b"left by a build that was killed")
        self.build("binary")
        self.assertEqual({name.split("-")[0] for name in self.files()},
                         {"notes", "descriptors", "ids", "mean", "codes", "index.json"})
        with self.assertRaisesRegex(ValueError, "type names. Received: 'tree', none of codes, groups, ids"):
            index_files.IndexWriter(self.index_dir, ("codes",)).write_array("tree", np.zeros(3))

    def test_an_index_of_no_known_type_is_refused(self):
        self.build()
        path = self.folder / "index" / "index.json"
        changed = {**json.loads(path.read_text(encoding="utf-8")), "type": "codes_flat"}
        changed["sha256"] = files.json_digest(changed)
        path.write_text(json.dumps(changed), encoding="utf-8")
        with self.assertRaisesRegex(ValueError, "of type exact, .*binary_asmk. Received: .*'codes_flat'"):
            building.load_index(self.index_dir)

    def test_saved_index_gives_the_same_answers(self):
        made = ExactIndex(descriptors_of(range(90)), [f"i{n}" for n in range(90)], "model")
        save_index(made, self.index_dir)
        loaded = building.load_index(self.index_dir)
        self.assertEqual((loaded.ids, loaded.fingerprint), (made.ids, "model"))
        np.testing.assert_array_equal(loaded.descriptors, made.descriptors)
        for one, other in zip(loaded.search(self.queries, 0), made.search(self.queries, 0)):
            np.testing.assert_array_equal(one, other)


if __name__ == "__main__":
    unittest.main()
