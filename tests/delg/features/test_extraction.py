import dataclasses
import functools
import glob
import json
import os
import shutil
import tempfile
import unittest
from unittest import mock

import cv2
import h5py
import numpy as np

from data_prep.building import building
from data_prep.building.config import BuildConfig
from data_prep.stage.jobs import JobConfig
from delg.exchange import conversion
from delg.exports.extraction_module import ExtractionModule
from delg.features import extraction
from delg.features import reader as features_reader
from delg.features.describing import ImageDescriber
from delg.settings.extraction import ExtractConfig
from tests.fixtures import photographs
from tests.fixtures.feature_shards import read_feature_shard
from tests.fixtures.tiny_extraction import RECEPTIVE_FIELD, as_png, block_image, tiny_model, write_records

CONFIG = ExtractConfig(global_scales=(1.0,), local_scales=(1.0, 0.5), max_num_features=3)
TRUNCATED = cv2.imencode(".jpg", np.zeros((64, 64, 3), np.uint8))[1].tobytes()[:-40]


class ExtractFeaturesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.saved_model = os.path.join(folder.name, "saved_model")
        ExtractionModule(tiny_model(), RECEPTIVE_FIELD, attention_threshold=1.0).save(cls.saved_model)
        opened_once = mock.patch.object(extraction, "ImageDescriber", functools.cache(ImageDescriber))
        opened_once.start()
        cls.addClassCleanup(opened_once.stop)

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.records = os.path.join(folder.name, "records")
        self.output_dir = os.path.join(folder.name, "features")
        self.images = {f"image{i}": as_png(block_image(40, 48 + i, (4, 8), (4 * i, 4 * i + 4)))
                       for i in range(5)}

    def extract(self, pattern, config=CONFIG, job=None):
        return extraction.extract_features(self.saved_model, pattern, self.output_dir, config, job)

    def contents(self):
        found = {}
        for name in sorted(os.listdir(self.output_dir)):
            with open(os.path.join(self.output_dir, name), "rb") as file:
                found[name] = file.read()
        return found

    def left_out(self, split="index"):
        with open(os.path.join(self.output_dir, f"{split}.left_out.json"), encoding="utf-8") as file:
            return json.load(file)

    def test_one_feature_shard_per_shard(self):
        paths = self.extract(write_records(self.records, self.images, num_shards=2))
        self.assertEqual([os.path.basename(path) for path in paths],
                         ["index-00000-of-00002.h5", "index-00001-of-00002.h5"])
        self.assertEqual(sorted(os.listdir(self.output_dir)),
                         [".shards.lock", "index-00000-of-00002.h5", "index-00001-of-00002.h5",
                          "index.left_out.json"])
        self.assertEqual(self.left_out(), [])
        with features_reader.FeatureReader(self.output_dir) as reader:
            self.assertEqual(reader.ids, ["image0", "image2", "image4", "image1", "image3"])
            np.testing.assert_array_equal(reader.image_sizes, [[40, 48 + i] for i in (0, 2, 4, 1, 3)])
            np.testing.assert_allclose(reader.global_descriptors, [[1, 0, 0]] * 5, atol=1e-6)
            self.assertEqual(reader.config["score_threshold"], 1.0)
            local = reader.local_features(1)  # image2; at half size the block is a quarter of its cell
            np.testing.assert_array_equal(local.scores, [200, 50])
            np.testing.assert_allclose(local.keypoints_yx[0], [5.5, 9.5])
        self.assertEqual(read_feature_shard(paths[0]).descriptors.dtype, np.float16)

    def test_local_descriptors_are_stored_in_the_type_asked_for(self):
        path, = self.extract(write_records(self.records, self.images),
                             dataclasses.replace(CONFIG, local_dtype="binary"))
        with h5py.File(path) as file:
            self.assertEqual(file["descriptors"].dtype, np.uint8)
            self.assertEqual(file["descriptors"].attrs["dimension"], 3)
        with features_reader.FeatureReader(path) as reader:  # colour (200, 0, 0): bits 1, 0, 0
            np.testing.assert_allclose(reader.local_features(0).descriptors[0] * 3**0.5, [1, -1, -1], 1e-6)

    def test_a_query_is_described_within_its_box(self):
        image = block_image(96, 128, (4, 8), (4, 8))  # outside the box
        image[48:52, 64:68, 0] = 120
        pattern = write_records(self.records, {"q": as_png(image)}, split="query",
                                boxes={"q": (32.0, 32.0, 100.0, 80.0)})
        self.extract(pattern, ExtractConfig(global_scales=(1.0,), local_scales=(1.0,)))
        with features_reader.FeatureReader(self.output_dir) as reader:
            np.testing.assert_array_equal(reader.local_features(0).keypoints_yx, [[49.5, 65.5]])
            np.testing.assert_array_equal(reader.image_sizes, [[96, 128]])

    def test_simulated_views_are_described_instead_of_images(self):
        image = block_image(64, 64, (0, 64), (0, 64))
        image[20:28, 40:48] = (0, 250, 0)  # of little red
        image[36:44, 16:24] = (250, 0, 0)
        pattern = write_records(self.records, {"q": as_png(image), "bad": TRUNCATED}, split="query",
                                boxes={"q": (0.0, 0.0, 64.0, 60.0)})
        config = ExtractConfig(global_scales=(1.0,), local_scales=(1.0,), max_num_features=1,
                               simulated_views=True, max_bad_fraction=0.5)
        path, = self.extract(pattern, config)
        with features_reader.FeatureReader(path) as reader:
            self.assertEqual(reader.ids, [f"q@{number}" for number in range(5)])
            self.assertTrue(reader.config["simulated_views"])
            for row in range(5):  # the reddest, where it lies in the query
                place, = reader.local_features(row).keypoints_yx
                np.testing.assert_allclose(place, [39.5, 19.5], atol=4.5)
        self.assertEqual([entry["image"] for entry in self.left_out("query")], ["bad"])

    def test_features_beyond_the_border_of_a_view_are_left_out(self):
        image = as_png(np.full((64, 64, 3), (200, 0, 0), np.uint8))
        path, = self.extract(write_records(self.records, {"q": image}), ExtractConfig(
            global_scales=(), local_scales=(1.0,), score_threshold=100.0, simulated_views=True))
        with features_reader.FeatureReader(path) as reader:
            for row in range(5):  # of the border's grey, 127, too, but for those
                local = reader.local_features(row)
                self.assertGreater(len(local), 50)
                self.assertTrue(np.all((local.keypoints_yx >= -0.5) & (local.keypoints_yx <= 64)))

    def test_views_of_a_folder_are_refused(self):
        with self.assertRaisesRegex(ValueError, "`simulated_views` must come with `pattern`, not with a "):
            extraction.extract_folder(self.saved_model, self.records, self.output_dir,
                                      ExtractConfig(simulated_views=True))

    def test_photos_stored_turned_are_exported_as_they_lie_in_the_file(self):
        stored = block_image(96, 128, (48, 52), (64, 68))
        folder = os.path.join(self.records, "photos/class")
        os.makedirs(folder)
        for number in range(1, 9):
            with open(os.path.join(folder, f"{number}.png"), "wb") as file:
                file.write(photographs.oriented("PNG", number, stored))
        building.build(BuildConfig("folder", os.path.dirname(folder), self.records, num_shards=1,
                                   validation_fraction=0), JobConfig(num_workers=1))
        path, = self.extract(os.path.join(self.records, "train-*"), ExtractConfig(
            global_scales=(1.0,), local_scales=(1.0,)))
        with features_reader.FeatureReader(path) as reader:
            self.assertEqual(reader.orientations, {f"class/{number}": number for number in range(2, 9)})
            self.assertEqual(reader.image_sizes[reader.ids.index("class/6")].tolist(), [128, 96])
        for image in conversion.read_images(path, "shards"):
            self.assertEqual(image.image_size, (96, 128), image.id)
            np.testing.assert_allclose(image.local.keypoints_yx, [[49.5, 65.5]], atol=1e-4)

    def test_finished_shards_are_kept_and_missing_ones_made(self):
        pattern = write_records(self.records, self.images, num_shards=2)
        first, second = self.extract(pattern)
        with open(second, "rb") as file:
            content = file.read()
        os.remove(second)
        written = os.stat(first).st_mtime_ns
        self.extract(pattern)
        self.assertEqual(os.stat(first).st_mtime_ns, written)
        with open(second, "rb") as file:
            self.assertEqual(file.read(), content)

    def test_refuses_features_of_other_settings(self):
        pattern = write_records(self.records, self.images)
        self.extract(pattern)
        other = ExtractConfig(global_scales=(1.0,), local_scales=(1.0, 0.5), max_num_features=4)
        with self.assertRaisesRegex(ValueError, "-00000-of-00001.h5 .* differ in: max_num_features. Rem"):
            self.extract(pattern, other)

    def test_refuses_features_of_other_images(self):
        self.extract(write_records(self.records, self.images))
        self.images["image0"] = self.images["image1"]
        with self.assertRaisesRegex(ValueError, "differ in: images"):
            self.extract(write_records(self.records, self.images))

    def test_refuses_another_numbering(self):
        self.extract(write_records(self.records, self.images, num_shards=2))
        pattern = write_records(self.records + "3", self.images, num_shards=3)
        with self.assertRaisesRegex(ValueError, "another numbering than -of-00003. Received: .*-of-00002.h5"):
            self.extract(pattern)

    def test_bad_images_are_set_aside(self):
        self.images["image1"] = TRUNCATED
        pattern = write_records(self.records, self.images, num_shards=2)
        config = ExtractConfig(global_scales=(1.0,), local_scales=(), max_bad_fraction=0.2)
        paths = self.extract(pattern, config)
        with features_reader.FeatureReader(self.output_dir) as reader:
            self.assertEqual(reader.ids, ["image0", "image2", "image4", "image3"])
        (bad,) = self.left_out()
        self.assertEqual(bad["image"], "image1")
        self.assertIn("truncated JPEG", bad["reason"])
        os.remove(paths[0])
        self.extract(pattern, config)
        self.assertEqual([bad], self.left_out())

    def test_too_many_bad_images_stop_the_job(self):
        self.images["image2"] = self.images["image1"] = TRUNCATED
        pattern = write_records(self.records, self.images)
        config = ExtractConfig(global_scales=(1.0,), local_scales=(), max_bad_fraction=0.2)
        with self.assertRaisesRegex(ValueError, "`max_bad_fraction` = 0.2 of 5 images.*: 2 bad ones.*image2"):
            self.extract(pattern, config)
        self.assertEqual(glob.glob(os.path.join(self.output_dir, "*")), [])

    def test_a_beam_job_writes_the_same_files(self):
        self.images["image1"] = TRUNCATED
        pattern = write_records(self.records, self.images, num_shards=3)
        config = dataclasses.replace(CONFIG, max_bad_fraction=0.2)
        self.extract(pattern, config)
        expected = self.contents()
        shutil.rmtree(self.output_dir)
        paths = self.extract(pattern, config, JobConfig(num_workers=2))
        self.assertEqual(self.contents(), expected)
        os.remove(paths[1])
        self.extract(pattern, config, JobConfig())
        self.assertEqual(self.contents(), expected)

    def test_bad_images_of_all_shards_of_a_job_count_together(self):
        self.images["image0"] = self.images["image1"] = TRUNCATED
        pattern = write_records(self.records, self.images, num_shards=2)
        config = ExtractConfig(global_scales=(1.0,), local_scales=(), max_bad_fraction=0.2)
        with self.assertRaisesRegex(ValueError, "`max_bad_fraction` = 0.2 of 5 images.*: 2 bad ones"):
            self.extract(pattern, config, JobConfig())
        self.extract(pattern, dataclasses.replace(config, max_bad_fraction=0.4), JobConfig())
        self.assertEqual([bad["image"] for bad in self.left_out()], ["image0", "image1"])

    def test_a_job_goes_on_after_a_shard_that_failed(self):
        pattern = write_records(self.records, self.images, num_shards=2)
        self.extract(pattern)
        expected = self.contents()
        shutil.rmtree(self.output_dir)
        whole = extraction.extract_tfrecord_shard

        def fail_second(describer, describe, source, output, *arguments):
            if "-00001-of-" in output:
                raise OSError("disk full")
            return whole(describer, describe, source, output, *arguments)

        with mock.patch.object(extraction, "extract_tfrecord_shard", fail_second), \
                self.assertRaisesRegex(OSError, "disk full"):
            self.extract(pattern, job=JobConfig())
        self.assertNotIn("index-00001-of-00002.h5", os.listdir(self.output_dir))
        self.extract(pattern, job=JobConfig())
        self.assertEqual(self.contents(), expected)

    def test_batches_change_neither_order_nor_features(self):
        for number in range(5, 9):  # of the size of image0
            self.images[f"image{number}"] = as_png(block_image(40, 48, (8, 12), (number, number + 4)))
        pattern = write_records(self.records, self.images)
        found = []
        for batch_size in (1, 3):
            (path,) = self.extract(pattern, dataclasses.replace(CONFIG, batch_size=batch_size))
            found.append(read_feature_shard(path))
            os.remove(path)
        self.assertEqual(found[0].ids, list(self.images))
        self.assertEqual(found[1].ids, found[0].ids)
        self.assertEqual(found[1].config, found[0].config)
        for name in ("global_descriptors", "image_sizes", "offsets", "keypoints_yx", "descriptors", "scores"):
            np.testing.assert_allclose(getattr(found[1], name), getattr(found[0], name), 1e-5, err_msg=name)

    def test_refuses_a_pattern_without_shards(self):
        with self.assertRaisesRegex(FileNotFoundError, "No shard .*none"):
            self.extract(os.path.join(self.records, "none-*"))


if __name__ == "__main__":
    unittest.main()
