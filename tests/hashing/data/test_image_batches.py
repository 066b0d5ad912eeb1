import tempfile
import unittest

import numpy as np

from hashing.data import image_batches
from hashing.training import batches
from hashing.training.config import TrainConfig
from tests.fixtures import tiny_shards


class BatchesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = folder.name
        tiny_shards.write_tiny_shards(cls.folder)

    def config(self, **changes):
        return TrainConfig(f"{self.folder}/train-*", "m", image_size=32, batch_size=8, **changes)

    def take(self, config, count, start_step=0):
        return list(batches.training_batches(config, start_step).take(count).as_numpy_iterator())

    def test_goes_on_where_an_earlier_run_stopped(self):
        for augmentation in ("original", "strong"):
            with self.subTest(augmentation):
                config = self.config(augmentation=augmentation, images_per_class=2)
                whole, rest = self.take(config, 4), self.take(config, 2, start_step=2)
                for (images, labels), (images_again, labels_again) in zip(whole[2:], rest):
                    np.testing.assert_array_equal(images, images_again)
                    np.testing.assert_array_equal(labels, labels_again)

    def test_batches_of_classes(self):
        (_, labels), = self.take(self.config(images_per_class=2), 1)
        self.assertEqual(sorted(np.bincount(labels)), [2, 2, 2, 2])

    def test_parts_and_flips_of_the_original(self):
        """Every training image is a part of the resized one, some of them mirrored."""
        config = self.config(augmentation="original")
        read = image_batches.resized_size(32)
        self.assertEqual((read, image_batches.resized_size(224)), (37, 256))
        from data_prep.records import pipeline
        whole = pipeline.make_dataset(config.train_pattern, read, 8, 0, training=True, augmentation="none")
        mirrored = 0
        for (images, _), (resized, _) in zip(self.take(config, 3), whole.take(3).as_numpy_iterator()):
            for part, image in zip(images, resized):
                found = [flip for top in range(read - 31) for left in range(read - 31) for flip in (1, -1)
                         if np.array_equal(part[:, ::flip], image[top:top + 32, left:left + 32])]
                self.assertTrue(found)
                mirrored += -1 in found
        self.assertTrue(4 < mirrored < 20)

    def test_the_middle_is_encoded_in_the_order_of_the_shards(self):
        read = list(image_batches.encoding_batches(f"{self.folder}/validation-*", 32, 3))
        self.assertEqual([len(labels) for _, labels in read], [3, 3, 2])
        image = np.arange(49.0).reshape(1, 7, 7, 1)
        np.testing.assert_array_equal(image_batches.middle(image, 3)[0, :, :, 0],
                                      [[16, 17, 18], [23, 24, 25], [30, 31, 32]])


if __name__ == "__main__":
    unittest.main()
