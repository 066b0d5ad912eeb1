"""Features go through every format and come back; the command does the same."""

import json
import os
import pathlib
import shutil
import tempfile
import unittest

import numpy as np

from data_prep.images import orientation
from delg.exchange import conversion, delf, hloc, matlab
from delg.features.reader import FeatureReader
from delg.features.shards import DescribedImage, no_local_features
from delg.settings.search import SearchConfig
from tests.fixtures import colmap_reader, hloc_matches, planar_world, scripts

QUERIES, INDEX = [f"q{i}" for i in range(3)], [f"i{i}" for i in range(12)]


class ConversionTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.world = pathlib.Path(tempfile.mkdtemp())
        cls.addClassCleanup(shutil.rmtree, cls.world)
        cls.positives = planar_world.write_world(cls.world)
        cls.truth = str(cls.world / "gnd.json")
        gnd = [{"bbx": [0, 0, 9, 9], "easy": rows, "hard": [], "junk": []} for rows in cls.positives]
        with open(cls.truth, "w", encoding="utf-8") as file:
            json.dump({"imlist": INDEX[::-1], "qimlist": QUERIES, "gnd": gnd}, file)

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)

    def path(self, name):
        return str(self.folder / name)

    def there_and_back(self, name, kind):
        """Carries the index through a format; returns readers of the original and of what came back."""
        pattern = str(self.world / "index-*.h5")
        images = conversion.read_images(pattern, "shards")
        self.assertEqual(conversion.write_images(self.path(name), kind, images, None, "float32"), 12)
        conversion.write_images(self.path("back.h5"), "shards",
                                        conversion.read_images(self.path(name), kind),
                                        {"fingerprint": "model-a"}, "float32")
        readers = FeatureReader(pattern), FeatureReader(self.path("back.h5"))
        for reader in readers:
            self.addCleanup(reader.close)
        return readers

    def test_local_features_survive_every_format(self):
        for name, kind in (("folder", "delg"), ("other", "delf"), ("file.h5", "hloc")):
            original, back = self.there_and_back(name, kind)
            self.assertEqual(back.ids, sorted(INDEX))
            self.assertEqual(back.config["fingerprint"], "model-a")
            for row, image_id in enumerate(back.ids):
                before = original.local_features(original.ids.index(image_id))
                for field in ("keypoints_yx", "descriptors", "scores", "scales"):
                    np.testing.assert_allclose(getattr(back.local_features(row), field),
                                               getattr(before, field), atol=1e-6)

    def test_global_descriptors_survive_where_the_format_has_them(self):
        for name, kind in (("folder", "delg"), ("file.h5", "hloc")):
            original, back = self.there_and_back(name, kind)
            order = [original.ids.index(image_id) for image_id in back.ids]
            np.testing.assert_allclose(back.global_descriptors, original.global_descriptors[order], atol=1e-6)
        self.assertEqual(back.image_sizes.tolist(), original.image_sizes.tolist())

    def test_stand_ins_for_what_a_format_lacks(self):
        _, back = self.there_and_back("folder", "delf")
        self.assertEqual(back.global_descriptors.shape, (12, 0))
        largest = back.local_features(0).keypoints_yx.max(axis=0)
        self.assertEqual(back.image_sizes[0].tolist(), (np.ceil(largest) + 1).tolist())

    def test_features_are_put_best_first_with_unit_norm(self):
        image = next(conversion.read_images(str(self.world / "index-*.h5"), "shards"))
        local = image.local
        turned = type(local)(local.keypoints_yx, 3 * local.descriptors,
                             np.arange(len(local), dtype=np.float32), local.scales)
        conversion.write_images(self.path("a.h5"), "shards", [
            DescribedImage("empty", 2 * image.global_descriptor, (5, 6), no_local_features()),
            DescribedImage("a", 2 * image.global_descriptor, (5, 6), turned)])
        with FeatureReader(self.path("a.h5")) as reader:
            self.assertEqual(reader.num_local_features.tolist(), [0, len(local)])
            np.testing.assert_array_equal(reader.local_features(1).keypoints_yx, local.keypoints_yx[::-1])
            np.testing.assert_allclose(np.linalg.norm(reader.global_descriptors, axis=1), 1, rtol=1e-6)

    def test_mat_holds_the_order_of_the_ground_truth(self):
        patterns = [str(self.world / f"{split}-*.h5") for split in ("index", "query")]
        self.assertEqual(conversion.write_mat(self.path("f.mat"), *patterns, self.truth), 15)
        with FeatureReader(patterns[0]) as reader:
            np.testing.assert_array_equal(matlab.read_descriptors(self.path("f.mat"))[0],
                                          reader.global_descriptors[::-1])
        conversion.read_mat(self.path("f.mat"), self.truth, self.path("back"), {"fingerprint": "a"})
        with FeatureReader(self.path("back/index-*.h5")) as back:
            self.assertEqual(back.ids, INDEX[::-1])
        with FeatureReader(self.path("back/query-*.h5")) as back:
            self.assertEqual(back.ids, QUERIES)

    def test_mat_needs_global_descriptors(self):
        self.there_and_back("folder", "delf")
        with self.assertRaisesRegex(ValueError, "back.h5 must have global descriptors.*f.mat. .*local feat"):
            conversion.write_mat(self.path("f.mat"), self.path("back.h5"), self.path("back.h5"),
                                         self.truth)

    def test_mat_of_other_images_is_refused(self):
        pattern = str(self.world / "query-*.h5")
        with self.assertRaisesRegex(ValueError, "of .*gnd.json. Received: none of 'i11' and 11 more"):
            conversion.write_mat(self.path("f.mat"), pattern, pattern, self.truth)
        matlab.write_descriptors(self.path("f.mat"), np.ones((2, 4)), np.ones((3, 4)))
        with self.assertRaisesRegex(ValueError, "f.mat .*gnd.json names: 12 and 3. Received: 2 and 3"):
            conversion.read_mat(self.path("f.mat"), self.truth, self.path("back"), {})

    def test_colmap_gets_keypoints_and_verified_pairs(self):
        pattern, positive = str(self.world / "*.h5"), INDEX[self.positives[0][0]]
        named = [("q0", positive), ("q0", "i0")]
        with FeatureReader(pattern) as reader:
            found = list(conversion.match_pairs(reader, named, SearchConfig()))
        self.assertGreater(len(found[0].inliers), 50)
        images = conversion.read_images(pattern, "shards")
        conversion.write_colmap(self.path("c.db"), images, found)
        self.assertEqual(len(colmap_reader.read_keypoints(self.path("c.db"))), 15)
        inliers = colmap_reader.read_matches(self.path("c.db"), inliers=True)
        self.assertEqual(inliers[positive, "q0"].tolist(), found[0].inliers[:, ::-1].tolist())

    def test_transforms_of_photos_stored_turned_are_of_their_files(self):
        named = [("q0", INDEX[self.positives[0][0]])]
        with FeatureReader(str(self.world / "*.h5")) as reader:
            sizes = [reader.image_sizes[reader.ids.index(name)] for name in named[0]]
            (upright,) = conversion.match_pairs(reader, named, SearchConfig())
            reader.orientations = dict(zip(named[0], (6, 3)))
            (stored,) = conversion.match_pairs(reader, named, SearchConfig())
            (of_files,) = conversion.match_pairs(reader, named, SearchConfig(), suffix=".jpg")
        self.assertEqual(of_files.first, f"{named[0][0]}.jpg")
        np.testing.assert_array_equal(of_files.transform, stored.transform)
        first, second = (orientation.to_stored(number, size) for number, size in zip((6, 3), sizes))
        expected, found = first @ upright.transform @ (9, 7, 1), stored.transform @ second @ (9, 7, 1)
        np.testing.assert_allclose(found / found[2], expected / expected[2], rtol=1e-6)
        np.testing.assert_array_equal(upright.inliers, stored.inliers)

    def test_inliers_below_the_least_number_are_no_geometry(self):
        named = [("q0", INDEX[self.positives[0][0]])]
        with FeatureReader(str(self.world / "*.h5")) as reader:
            (true,) = conversion.match_pairs(reader, named, SearchConfig())
            count = len(true.inliers)
            (enough,), (few,) = (conversion.match_pairs(reader, named, SearchConfig(min_inliers=n))
                                 for n in (count, count + 1))
        self.assertEqual((len(enough.inliers), len(enough.inlier_scores)), (count, count))
        self.assertEqual((len(few.inliers), len(few.inlier_scores), len(few.matches)),
                         (0, 0, len(true.matches)))
        self.assertTrue(np.all(np.isnan(few.transform)))

    def test_suffixes_are_put_on_and_taken_off(self):
        images = [DescribedImage("a", np.ones(2, np.float32), (5, 6), no_local_features())]
        named = list(conversion.with_suffix(images, ".jpg"))
        self.assertEqual([image.id for image in named], ["a.jpg"])
        self.assertEqual([image.id for image in conversion.without_suffix(named, ".jpg")], ["a"])
        with self.assertRaisesRegex(ValueError, "must end in `name_suffix` '.png'. Received: 'a.jpg'"):
            list(conversion.without_suffix(named, ".png"))

    def test_names_get_a_suffix_once(self):
        for image_id, name in (("a", "a.jpg"), ("a.jpg", "a.jpg"), ("a.JPG", "a.JPG"), ("a.png", "a.png"),
                               ("a.b", "a.b.jpg"), ("IMG 1", "IMG 1.jpg")):
            self.assertEqual(conversion.file_name(image_id, ".jpg"), name)
            self.assertEqual(conversion.file_name(image_id, ""), image_id)

    def test_pairs_name_images_by_id_or_by_file(self):
        with FeatureReader(str(self.world / "index-*.h5")) as reader:
            found = [(pair.first, pair.second) for pair in conversion.match_pairs(
                reader, [(INDEX[0], f"{INDEX[1]}.jpg")], suffix=".jpg")]
        self.assertEqual(found, [(f"{INDEX[0]}.jpg", f"{INDEX[1]}.jpg")])

    def test_pairs_of_unknown_images_are_refused(self):
        with FeatureReader(str(self.world / "index-*.h5")) as reader, \
                self.assertRaisesRegex(ValueError, "index-00000-of-00001.h5 and its like. Received: 'z'"):
            list(conversion.match_pairs(reader, [("i0", "z")], SearchConfig()))

    def test_refuses_what_does_not_go_together(self):
        images = [DescribedImage(name, np.ones(size, np.float32), (5, 6), no_local_features())
                  for name, size in (("a", 2), ("b", 3))]
        with self.assertRaisesRegex(ValueError, "a.h5 must have one dimension. Received: 2 of 'a', 3 of 'b'"):
            conversion.write_images(self.path("a.h5"), "shards", images)
        for path, some in (("a.txt", images[:1]), ("a.h5", [])):
            with self.assertRaisesRegex(ValueError, f"must be NAME.h5.*{path}', {len(some)} images"):
                conversion.write_images(self.path(path), "shards", some)
        with self.assertRaisesRegex(ValueError, "names of files below .*Received: '../a'"):
            conversion.write_images(self.path("folder"), "delg", [
                DescribedImage("../a", np.ones(2), (5, 6), no_local_features())])
        with self.assertRaisesRegex(FileNotFoundError, "folder of .delg_local or .delg_global files"):
            list(conversion.read_images(self.path("nothing"), "delg"))
        self.assertEqual(os.listdir(self.folder), [])

    def test_a_damaged_file_is_named_and_leaves_nothing(self):
        delf.write_local_features(self.path("a.delf"), no_local_features())
        (self.folder / "b.delf").write_bytes(b"\xff\xff")
        with self.assertRaisesRegex(ValueError, "b.delf must be a DelfFeatures"):
            conversion.write_images(self.path("out.h5"), "shards",
                                            conversion.read_images(str(self.folder), "delf"))
        self.assertEqual(sorted(os.listdir(self.folder)), ["a.delf", "b.delf"])

    def run_script(self, **settings):
        return scripts.run("delg.convert_features", **settings)

    def test_as_a_command(self):
        positive = INDEX[self.positives[0][0]]
        hloc.write_pairs(self.path("pairs.txt"), [("q0", positive)])
        done = self.run_script(input=self.world / "*.h5", format="hloc", output=self.path("new/f.h5"),
                               pairs=self.path("pairs.txt"), matches=self.path("m.h5"), name_suffix=".jpg")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("15 images and 1 pairs in ", done.stdout)
        self.assertEqual(next(hloc.read_features(self.path("new/f.h5"))).id, "i0.jpg")
        rows, scores = hloc_matches.read_matches(self.path("m.h5"), "q0.jpg", f"{positive}.jpg")
        self.assertGreater(len(rows), 50)
        self.assertTrue(np.all((scores > 0.5) & (scores <= 1)))
        done = self.run_script(input=self.path("new/f.h5"), input_format="hloc", format="shards",
                               output=self.path("back.h5"), name_suffix=".jpg")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        with FeatureReader(self.path("back.h5")) as back:
            self.assertEqual(back.ids, sorted(INDEX) + QUERIES)

    def test_the_command_refuses_what_makes_no_sense(self):
        done = self.run_script(input="a", output="b", format="hloc", input_format="delg")
        self.assertEqual((done.returncode, done.stderr), (
            1, "Error: From or to shards, not both, but with --local_features both. Received: "
            "--input_format=delg --format=hloc.\n"))
        done = self.run_script(input="a", output=self.path("b"), format="hloc", max_num_features=5)
        self.assertIn("Error: --max_num_features goes with --local_features. Received: ", done.stderr)

    def test_the_command_refuses_an_output_that_cannot_be(self):
        for target, output, rule in (
                ("hloc", self.folder, "A file must be possible at .*, which is a folder"),
                ("delg", __file__, "A folder must be .*, but .* is no folder"),
                ("hloc", f"{__file__}/x", "A file must be .*, but .* is no folder")):
            done = self.run_script(input="a", format=target, output=output)
            self.assertRegex(done.stderr, f"\\AError: {rule}. Received: --input_format=shards [^\n]*\n\\Z")


if __name__ == "__main__":
    unittest.main()
