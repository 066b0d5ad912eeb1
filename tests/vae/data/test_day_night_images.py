import tempfile
import unittest

import numpy as np

from data_prep.records import manifest, shards
from tests.fixtures import tiny_day_night
from vae.data.day_night_images import DayNightRows, training_batches, validation_batches


def setUpModule():
    global _folder
    _folder = tempfile.TemporaryDirectory()
    tiny_day_night.write_shards(_folder.name)


def tearDownModule():
    _folder.cleanup()


def _batches(count, **changes):
    settings = {"pattern": f"{_folder.name}/train-*", "image_size": 32, "batch_size": 4, "seed": 3, **changes}
    return [{name: value.numpy() for name, value in batch.items()}
            for batch in training_batches(**settings).take(count)]


class TrainingBatchesTest(unittest.TestCase):
    def test_domains_are_apart(self):
        for batch in _batches(3):
            self.assertEqual(batch["day"].shape, (4, 32, 32, 3))
            self.assertEqual(batch["night"].dtype, np.uint8)
            self.assertLess(batch["night"].max(), 64)  # a quarter of the brightness
            self.assertGreater(batch["day"].max(), 64)

    def test_an_epoch_has_every_image_once(self):  # 12 images by day, six places of two views
        labels = np.concatenate([batch["day_label"] for batch in _batches(3)])
        np.testing.assert_array_equal(np.bincount(labels), [2] * 6)

    def test_unpaired_domains_are_shuffled_apart(self):
        batches = _batches(3)
        self.assertTrue(any((batch["day_label"] != batch["night_label"]).any() for batch in batches))

    def test_frames_are_paired_by_view(self):
        for batch in _batches(3, pairing="frame"):
            np.testing.assert_array_equal(batch["day_label"], batch["night_label"])
            np.testing.assert_allclose(batch["night"], batch["day"] // 4, atol=1)

    def test_places_are_paired_by_label(self):
        batches = _batches(6, pairing="place")
        views = [np.abs(batch["night"].astype(int) - batch["day"] // 4).max((1, 2, 3)) < 2
                 for batch in batches]
        for batch in batches:
            np.testing.assert_array_equal(batch["day_label"], batch["night_label"])
        self.assertTrue(0 < np.mean(views) < 1)  # any view of the place, not always the same

    def test_any_step_can_be_taken_up(self):
        for changes in ({}, {"pairing": "place"}, {"augmentation": "crop", "min_crop_area": 0.3}):
            whole = _batches(5, **changes)
            for batch, later in zip(whole[3:], _batches(2, start_step=3, **changes)):
                for name in batch:
                    np.testing.assert_array_equal(batch[name], later[name])

    def test_crops_differ_by_domain_and_epoch(self):
        whole = _batches(6, pairing="frame", augmentation="crop", min_crop_area=0.3)
        self.assertFalse(np.allclose(whole[0]["night"], whole[0]["day"] // 4, atol=2))
        self.assertFalse(np.array_equal(whole[0]["day"], whole[3]["day"]))

    def test_workers_share_the_batches_of_one(self):
        for changes in ({}, {"pairing": "frame", "augmentation": "crop", "min_crop_area": 0.3}):
            whole = _batches(5, batch_size=4, **changes)
            for worker in range(2):
                parts = _batches(5, batch_size=2, worker_index=worker, num_workers=2, **changes)
                for part, batch in zip(parts, whole):
                    for name in batch:
                        np.testing.assert_array_equal(part[name], batch[name][2 * worker:2 * worker + 2])


class ValidationBatchesTest(unittest.TestCase):
    def test_full_batches_in_order(self):
        batches = list(validation_batches(f"{_folder.name}/validation-*", 32, 3))
        self.assertEqual([batch["day_label"].numpy().tolist() for batch in batches], [[6, 6, 7], [7, 8, 8]])

    def test_a_small_set_is_one_batch(self):
        batch, = validation_batches(f"{_folder.name}/validation-*", 32, 100)
        self.assertEqual(batch["night"].shape[0], 8)


class DayNightRowsTest(unittest.TestCase):
    def _write(self, directory, examples):
        written = shards.write_shard(f"{directory}/train-00000-of-00001", examples)
        split = manifest.Split(len(examples), 9, (0, 9), (written,))
        manifest.save_manifest(manifest.Manifest("", "tiny", 0, 9, tuple(range(9)), {"train": split}),
                               directory)

    def test_refuses_shards_of_one_domain(self):
        with tempfile.TemporaryDirectory() as directory:
            self._write(directory, [tiny_day_night.example(0, 0, "day")])
            with self.assertRaisesRegex(ValueError, "both domains.*which has none of night"):
                DayNightRows(f"{directory}/train-*", "none")

    def test_refuses_a_pairing_that_is_not_there(self):
        with tempfile.TemporaryDirectory() as directory:
            self._write(directory, [tiny_day_night.example(0, 0, "day"),
                                    tiny_day_night.example(1, 0, "night")])
            with self.assertRaisesRegex(ValueError, "`pairing` frame needs images of one frame"
                                        ".*another pairing of .*place"):
                DayNightRows(f"{directory}/train-*", "frame")


if __name__ == "__main__":
    unittest.main()
