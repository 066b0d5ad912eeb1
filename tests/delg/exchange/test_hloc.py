import os
import tempfile
import unittest

import h5py
import numpy as np

from delg.exchange import hloc
from delg.features.shards import DescribedImage, LocalFeatures, no_local_features
from tests.fixtures import hloc_matches


def described(image_id, num_local, seed=0, global_dim=3):
    generator = np.random.default_rng(seed)
    local = LocalFeatures(generator.uniform(0, 90, (num_local, 2)).astype(np.float32),
                          generator.normal(size=(num_local, 4)).astype(np.float32),
                          np.arange(num_local, 0, -1, dtype=np.float32), np.full(num_local, 2, np.float32))
    return DescribedImage(image_id, generator.normal(size=global_dim).astype(np.float32), (90, 120), local)


class HlocFolderTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "features.h5")

    def store(self, **datasets):
        with h5py.File(self.path, "w") as file:
            for name, values in datasets.items():
                file[f"db/a.jpg/{name}"] = values


class FeaturesTest(HlocFolderTest):
    def test_is_laid_out_as_hloc_does(self):
        image = described("db/a.jpg", 2)
        hloc.write_features(self.path, [image])
        with h5py.File(self.path) as file:
            group = file["db/a.jpg"]
            np.testing.assert_array_equal(group["keypoints"][()], image.local.keypoints_yx[:, ::-1])  # x, y
            self.assertEqual(group["descriptors"].shape, (4, 2))
            self.assertEqual(group["descriptors"].dtype, np.float16)
            self.assertEqual(group["image_size"][()].tolist(), [120, 90])  # width, height
            self.assertEqual(group["global_descriptor"].shape, (3,))

    def test_images_come_back_in_the_order_of_their_names(self):
        written = [described("query/ü.jpg", 3, 1), described("db/b.jpg", 0, 2), described("a", 2, 3)]
        self.assertEqual(hloc.write_features(self.path, written, "float32"), 3)
        read = list(hloc.read_features(self.path))
        self.assertEqual([image.id for image in read], ["a", "db/b.jpg", "query/ü.jpg"])
        for image, original in zip(read, written[::-1]):
            self.assertEqual(image.image_size, (90, 120))
            np.testing.assert_array_equal(image.global_descriptor, original.global_descriptor)
            for name in ("keypoints_yx", "descriptors", "scores", "scales"):
                np.testing.assert_array_equal(getattr(image.local, name), getattr(original.local, name), name)

    def test_what_is_missing_has_a_stand_in(self):
        self.store(keypoints=np.float16([[7, 2], [3, 4.5]]), descriptors=np.ones((8, 2)))
        image, = hloc.read_features(self.path)
        self.assertEqual(image.image_size, (6, 8))
        self.assertEqual(image.global_descriptor.shape, (0,))
        self.assertEqual(image.local.scores.tolist(), [1, 1])
        self.assertEqual(image.local.descriptors.shape, (2, 8))

    def test_a_file_of_global_descriptors_alone(self):
        self.store(global_descriptor=np.ones(5), image_size=[640, 480])
        image, = hloc.read_features(self.path)
        self.assertEqual((image.image_size, len(image.local)), ((480, 640), 0))
        self.assertEqual(image.global_descriptor.tolist(), [1] * 5)

    def test_refuses_types_that_hloc_does_not_know(self):
        with self.assertRaisesRegex(ValueError, "float16, float32 in files of hloc. Received: .*='binary'"):
            hloc.write_features(self.path, [described("a", 2)], "binary")

    def test_refuses_ids_that_are_no_names(self):
        for image_id in ("../a", "/a", "", "a//b"):
            with self.assertRaisesRegex(ValueError, "features.h5 must be relative paths or names"):
                hloc.write_features(self.path, [described(image_id, 1)])
        self.assertFalse(os.path.exists(self.path))

    def test_refuses_an_id_twice(self):
        with self.assertRaisesRegex(ValueError, "features.h5 must differ.*Received: 'a'"):
            hloc.write_features(self.path, [described("a", 1), described("a", 1)])

    def test_refuses_arrays_that_contradict_each_other(self):
        for datasets, said in (
                ({"keypoints": np.ones((2, 2)), "descriptors": np.ones((4, 3))}, r"n keypoints.*\(4, 3\)"),
                ({"keypoints": np.ones((2, 3)), "descriptors": np.ones((4, 2))}, r"\(2, 3\)"),
                ({"keypoints": np.ones(2)}, r"db/a.jpg/keypoints must be numbers on 2 axes.*float64 \(2,\)"),
                ({"keypoints": np.array([[b"x", b"y"]])}, "keypoints must be numbers"),
                ({"global_descriptor": np.ones(2), "image_size": [0, 5]}, r"image_size of db.*\[0, 5\]")):
            self.store(**datasets)
            with self.assertRaisesRegex(ValueError, f"features.h5: .*{said}"):
                list(hloc.read_features(self.path))

    def test_refuses_a_promise_of_too_many_values_before_reading_them(self):
        with h5py.File(self.path, "w") as file:
            file.create_dataset("a/keypoints", (2**40, 2), "float32", chunks=(1024, 2))
        with self.assertRaisesRegex(ValueError, "/a/keypoints of 8796093022208 bytes, in a file of few"):
            list(hloc.read_features(self.path))

    def test_does_not_follow_links_into_other_files(self):
        with h5py.File(self.path, "w") as file:
            file["a/keypoints"] = np.ones((1, 2))
            file["a/descriptors"] = h5py.ExternalLink("elsewhere.h5", "secret")
        with self.assertRaisesRegex(ValueError, "file of hloc. Received: /a/descriptors, a link"):
            list(hloc.read_features(self.path))

    def test_refuses_other_files(self):
        with open(self.path, "wb") as file:
            file.write(b"no HDF5")
        with self.assertRaisesRegex(ValueError, "features.h5 must be an HDF5 file of hloc"):
            list(hloc.read_features(self.path))
        with h5py.File(self.path, "w") as file:
            file["ids"] = [1]
        with self.assertRaisesRegex(ValueError, "features.h5 must hold a group.*Received: ids"):
            list(hloc.read_features(self.path))
        os.remove(self.path)
        with self.assertRaisesRegex(FileNotFoundError, "features.h5.*no such file"):
            list(hloc.read_features(self.path))

    def test_an_image_without_features_keeps_its_shapes(self):
        empty = DescribedImage("a", np.zeros(0, np.float32), (5, 6), no_local_features(4))
        hloc.write_features(self.path, [empty])
        image, = hloc.read_features(self.path)
        self.assertEqual(image.local.descriptors.shape, (0, 4))


class MatchesTest(HlocFolderTest):
    def test_is_laid_out_as_hloc_does(self):
        hloc.write_matches(self.path, [("q/1.jpg", "db/2.jpg", 4, [[0, 7], [3, 5]], [1, 0.5])])
        with h5py.File(self.path) as file:
            group = file["q-1.jpg/db-2.jpg"]
            self.assertEqual(group["matches0"][()].tolist(), [7, -1, -1, 5])
            self.assertEqual(group["matching_scores0"][()].tolist(), [1, 0, 0, 0.5])

    def test_matches_come_back_both_ways_round(self):
        hloc.write_matches(self.path, [("a", "b", 4, [[0, 7], [3, 5]], [1, 0.5])])
        for first, second, expected in (("a", "b", [[0, 7], [3, 5]]), ("b", "a", [[7, 0], [5, 3]])):
            rows, scores = hloc_matches.read_matches(self.path, first, second)
            self.assertEqual((rows.tolist(), scores.tolist()), (expected, [1, 0.5]))

    def test_refuses_rows_out_of_range_or_twice(self):
        for rows in ([[4, 0]], [[-1, 0]], [[1, 0], [1, 2]]):
            with self.assertRaisesRegex(ValueError, "Matches of a and b must name each of 4 keypoints"):
                hloc.write_matches(self.path, [("a", "b", 4, rows, np.ones(len(rows)))])

    def test_refuses_a_pair_twice(self):
        with self.assertRaisesRegex(ValueError, "Pairs in .*features.h5 must differ.*Received: a, b"):
            hloc.write_matches(self.path, [("a", "b", 1, [], [])] * 2)

    def test_refuses_a_pair_that_is_not_there_or_broken(self):
        with h5py.File(self.path, "w") as file:
            file["a/b/matches0"], file["a/b/matching_scores0"] = [1, -2], [1, 1]
        with self.assertRaisesRegex(ValueError, "features.h5 must hold the pair a, c"):
            hloc_matches.read_matches(self.path, "a", "c")
        with self.assertRaisesRegex(ValueError, "features.h5: matches0 of a/b must be rows or -1"):
            hloc_matches.read_matches(self.path, "a", "b")


class PairsTest(HlocFolderTest):
    def test_pairs_come_back(self):
        pairs = [("q/1.jpg", "db/2.jpg"), ("q/1.jpg", "db/ü.jpg")]
        hloc.write_pairs(self.path, pairs)
        self.assertEqual(hloc.read_pairs(self.path), pairs)
        with open(self.path, "a", encoding="utf-8") as file:
            file.writelines(f"{second} {first}\n" for first, second in pairs)  # as hloc names pairs both ways
        self.assertEqual(hloc.read_pairs(self.path), pairs)

    def test_refuses_ids_with_blanks(self):
        with self.assertRaisesRegex(ValueError, "features.h5 must be words.*'a b'"):
            hloc.write_pairs(self.path, [("a b", "c")])

    def test_refuses_lines_that_are_no_pairs(self):
        for content, said in ((b"a b\n\na b c\n", "Line 3 of .*features.h5 must be two ids.*'a b c'"),
                              (b"a b\n\xff\n", "features.h5 must be UTF-8 text, .*Received: line 2: ")):
            with open(self.path, "wb") as file:
                file.write(content)
            with self.assertRaisesRegex(ValueError, said):
                hloc.read_pairs(self.path)


if __name__ == "__main__":
    unittest.main()
