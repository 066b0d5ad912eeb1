"""Features of a folder of files follow the files: new, changed, touched, gone, damaged."""

from __future__ import annotations

import os
import pathlib
import shutil
import tempfile
import unittest
from unittest import mock

import numpy as np

from delg.exports.extraction_module import ExtractionModule
from delg.features import folder_features
from delg.features.describing import ImageDescriber
from delg.features.folder_features import describe_folder
from delg.features.reader import FeatureReader
from delg.settings.extraction import ExtractConfig
from tests.fixtures import photographs
from tests.fixtures.tiny_extraction import RECEPTIVE_FIELD, as_png, block_image, tiny_model

CONFIG = ExtractConfig(global_scales=(1.0,), local_scales=(1.0,), max_num_features=3)


class DescribeFolderTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.saved_model = os.path.join(folder.name, "saved_model")
        ExtractionModule(tiny_model(), RECEPTIVE_FIELD, attention_threshold=1.0).save(cls.saved_model)
        cls.describer = ImageDescriber(cls.saved_model, CONFIG)

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.photos = pathlib.Path(folder.name) / "photos"
        self.features = str(pathlib.Path(folder.name) / "features")
        (self.photos / "trip").mkdir(parents=True)
        for number in range(5):
            self.write(f"trip/{number}.png", number)
        small = mock.patch.object(folder_features, "_SHARD_IMAGES", 2)
        small.start()
        self.addCleanup(small.stop)

    def write(self, name, number):
        (self.photos / name).write_bytes(as_png(block_image(40, 48, (4, 8), (4 * number, 4 * number + 4))))

    def describe(self, max_bad_fraction=1.0, describer=None):
        return describe_folder(describer or self.describer, str(self.photos), self.features,
                               max_bad_fraction)

    def contents(self):
        with FeatureReader(self.features) as reader:
            return {image_id: (reader.global_descriptors[row].tolist(), reader.image_sizes[row].tolist(),
                               reader.local_features(row).keypoints_yx.tolist(),
                               reader.local_features(row).descriptors.tolist())
                    for row, image_id in enumerate(reader.ids)}

    def afresh(self):
        """The features that a new folder gets."""
        shutil.rmtree(self.features)
        self.describe()
        return self.contents()

    def test_ids_are_paths_and_a_second_call_describes_nothing(self):
        first = self.describe()
        self.assertEqual(sorted(self.contents()), [f"trip/{number}.png" for number in range(5)])
        self.assertEqual((first.num_described, first.left_out, len(first.shards)), (5, {}, 3))
        before = {path: os.stat(path).st_mtime_ns for path in first.shards}
        second = self.describe()
        self.assertEqual((second.num_described, second.path_of), (0, first.path_of))
        self.assertEqual({path: os.stat(path).st_mtime_ns for path in second.shards}, before)

    def test_new_changed_and_gone_files_end_in_the_features_of_a_fresh_start(self):
        self.describe()
        self.write("new.png", 6)
        self.write("trip/1.png", 7)
        (self.photos / "trip/4.png").unlink()
        self.assertEqual(self.describe().num_described, 2)
        found = self.contents()
        self.assertEqual(sorted(found), sorted(["new.png", *(f"trip/{number}.png" for number in range(4))]))
        fresh = self.afresh()
        self.assertEqual(found, fresh)

    def test_a_touched_file_is_not_described_again(self):
        self.describe()
        os.utime(self.photos / "trip/2.png", (1, 1))
        before = self.contents()
        touched = self.describe()
        self.assertEqual((touched.num_described, self.contents()), (0, before))
        with mock.patch.object(folder_features.files, "sha256_of", side_effect=AssertionError):
            self.describe()  # its new time is known now

    def test_moved_renamed_and_copied_files_are_not_described_again(self):
        self.write("other.png", 6)
        (self.photos / "turned.jpg").write_bytes(photographs.oriented("JPEG", 6))
        self.describe()
        before = self.contents()
        os.rename(self.photos / "trip", self.photos / "journey")
        os.rename(self.photos / "turned.jpg", self.photos / "upright.jpg")
        shutil.copy(self.photos / "other.png", self.photos / "copy.png")
        moved = self.describe()
        self.assertEqual((moved.num_described, set(moved.shard_of.values())), (0, set(moved.shards)))
        names = {"upright.jpg": "turned.jpg", "copy.png": "other.png"}
        self.assertEqual(self.contents(), {
            image_id: before[names.get(image_id, image_id.replace("journey", "trip"))]
            for image_id in moved.path_of})
        with FeatureReader(self.features) as reader:
            self.assertEqual(reader.orientations, {"upright.jpg": 6})
        self.assertEqual(self.describe().shards, moved.shards)

    def test_images_whose_descriptor_has_no_direction_are_left_out(self):
        spoilt, describe = {"trip/1.png": 0.0, "trip/3.png": np.nan}, folder_features.describe_images

        def spoiling(describer, images):
            for image_id, result in describe(describer, images):
                yield image_id, result._replace(
                    global_descriptor=result.global_descriptor * spoilt.get(image_id, 1))

        with mock.patch.object(folder_features, "describe_images", spoiling):
            left_out = self.describe().left_out
        self.assertEqual(left_out, dict.fromkeys(
            spoilt, "its global descriptor is zero or not finite, so it is like no image"))
        self.assertEqual(sorted(self.contents()), ["trip/0.png", "trip/2.png", "trip/4.png"])

    def test_bad_images_are_left_out_with_the_reason_and_not_tried_again(self):
        (self.photos / "bad.jpg").write_bytes(photographs.jpeg()[:-300])
        (self.photos / "empty.jpg").write_bytes(b"")
        (self.photos / "raw.cr2").write_bytes(b"?")
        (self.photos / "gone.jpg").symlink_to("nowhere")
        first = self.describe()
        self.assertEqual(sorted(first.left_out), ["bad.jpg", "empty.jpg", "gone.jpg", "raw.cr2"])
        self.assertEqual(first.left_out["empty.jpg"], "zero bytes")
        self.assertNotIn("bad.jpg", first.path_of)
        second = self.describe()
        self.assertEqual((second.num_described, second.left_out), (0, first.left_out))
        self.write("bad.jpg", 3)
        self.assertNotIn("bad.jpg", self.describe().left_out)

    def test_too_many_bad_images_are_refused(self):
        (self.photos / "bad.jpg").write_bytes(b"no image")
        with self.assertRaisesRegex(ValueError, "`max_bad_fraction` = 0.1 of 6 images"):
            self.describe(max_bad_fraction=0.1)

    def test_small_shards_are_merged_bit_by_bit(self):
        with mock.patch.object(folder_features, "_SHARD_IMAGES", 100), \
                mock.patch.object(folder_features, "_SMALL_SHARDS", 3):
            for number in range(5, 8):
                last = self.describe()
                self.write(f"{number}.png", number)
            self.assertEqual(len(last.shards), 1)
            found = self.contents()
            (self.photos / "7.png").unlink()
            self.assertEqual(found, self.afresh())

    def test_turned_photographs_lie_upright_and_say_so(self):
        upright = photographs.pixels(40, 60)
        (self.photos / "turned.jpg").write_bytes(photographs.oriented("JPEG", 6, upright))
        self.describe()
        with FeatureReader(self.features) as reader:
            row = reader.ids.index("turned.jpg")
            np.testing.assert_array_equal(reader.image_sizes[row], [60, 40])
            self.assertEqual(reader.orientations, {"turned.jpg": 6})

    def test_what_a_killed_process_leaves_is_gone_on_from(self):
        self.describe()
        extract, calls = folder_features.extract_shard, []

        def killed(*arguments):
            calls.append(arguments)
            if len(calls) == 2:
                raise KeyboardInterrupt
            return extract(*arguments)

        for number in range(5, 9):
            self.write(f"{number}.png", number)
        with mock.patch.object(folder_features, "extract_shard", killed), \
                self.assertRaises(KeyboardInterrupt):
            self.describe()
        self.assertEqual(self.describe().num_described, 2)
        found = self.contents()
        self.assertEqual(found, self.afresh())

    def test_shards_left_beside_those_they_were_merged_into_do_no_harm(self):
        first = self.describe()
        (self.photos / "trip/0.png").unlink()
        with mock.patch.object(folder_features.os, "remove", side_effect=KeyboardInterrupt), \
                self.assertRaises(KeyboardInterrupt):
            self.describe()
        self.assertEqual(len(os.listdir(self.features)), len(first.shards) + 2)  # and the lock
        self.assertEqual(self.describe().num_described, 0)
        self.assertEqual(sorted(self.contents()), [f"trip/{number}.png" for number in range(1, 5)])

    def test_features_of_other_settings_are_refused(self):
        self.describe()
        other = ImageDescriber(self.saved_model, ExtractConfig(
            global_scales=(1.0,), local_scales=(1.0,), max_image_size=30))
        with self.assertRaisesRegex(ValueError, "same model and settings.*differs in: .*max_image_size"):
            self.describe(describer=other)

    def test_a_folder_without_images_is_refused(self):
        shutil.rmtree(self.photos)
        with self.assertRaisesRegex(FileNotFoundError, "`images_dir` must be a folder"):
            self.describe()
        self.photos.mkdir()
        with self.assertRaisesRegex(ValueError, "must hold images .*none in"):
            self.describe()
        self.assertFalse(os.path.exists(self.features))
