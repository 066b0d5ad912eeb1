import dataclasses
import shutil
import tempfile
import unittest
from unittest import mock

import numpy as np

from delg.features.reader import FeatureReader
from delg.reranking.training_pairs import TrainingPairs
from tests.fixtures import tiny_pairs


class TrainingPairsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp()
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        tiny_pairs.write(cls.folder)
        cls.config = tiny_pairs.config(cls.folder)
        cls.images = FeatureReader(cls.config.features)
        cls.addClassCleanup(cls.images.close)

    def pairs(self, **changes):
        return TrainingPairs(dataclasses.replace(self.config, **changes), self.images)

    def landmarks(self, rows):
        return np.array([self.images.ids[row].partition("_")[0] for row in rows.ravel()]).reshape(rows.shape)

    def test_images_without_label_or_features_are_left_out(self):
        self.assertEqual([self.images.ids[row] for row in self.pairs().rows], self.images.ids[:-2])

    def test_half_of_the_pairs_are_of_one_landmark(self):
        rows, matches = self.pairs().draw(step=5, batch_size=8)
        self.assertEqual(matches.tolist(), [1] * 4 + [0] * 4)
        landmarks = self.landmarks(rows)
        np.testing.assert_array_equal(landmarks[:, 0] == landmarks[:, 1], matches == 1)
        self.assertFalse(np.any(rows[:, 0] == rows[:, 1]))

    def test_negatives_are_the_nearest_of_other_landmarks(self):
        pairs = self.pairs(num_hard=2)
        looks = self.images.global_descriptors[pairs.rows]
        for place, found in enumerate(pairs.negatives(range(len(pairs.rows)))):
            nearest = np.argsort(-(looks @ looks[place]), kind="stable")
            others = nearest[pairs.landmarks[nearest] != pairs.landmarks[place]]
            self.assertEqual(found.tolist(), others[:2].tolist())

    def test_any_other_landmark_serves_where_the_index_finds_none(self):
        pairs = self.pairs()
        with mock.patch.object(pairs, "negatives", lambda images: [np.zeros(0, np.int64)] * len(images)):
            landmarks = self.landmarks(pairs.draw(0, 8)[0])
        self.assertFalse(np.any(landmarks[4:, 0] == landmarks[4:, 1]))

    def test_a_step_has_the_same_pairs_each_time(self):
        first, second = (self.pairs().draw(7, 8)[0] for _ in range(2))
        np.testing.assert_array_equal(first, second)
        self.assertFalse(np.array_equal(first, self.pairs().draw(8, 8)[0]))
        self.assertFalse(np.array_equal(first, self.pairs().draw(7, 8, worker=1)[0]))

    def test_held_out_landmarks_are_judged_by_and_never_trained_on(self):
        pairs = self.pairs(heldout_fraction=0.4)
        trained = {name for step in range(30) for name in self.landmarks(pairs.draw(step, 8)[0]).ravel()}
        batches = list(pairs.heldout(3))
        self.assertEqual([len(matches) for _, matches in batches], [3, 3, 2])
        anchors = {name for rows, _ in batches for name in self.landmarks(rows)[:, 0]}
        self.assertEqual((len(trained), len(anchors)), (3, 2))
        self.assertEqual(trained & anchors, set())
        np.testing.assert_array_equal(batches[0][0], next(pairs.heldout(3))[0])

    def test_refuses_too_few_landmarks(self):
        with self.assertRaisesRegex(ValueError, "15 images of 5 landmarks, of which 4 are held out"):
            self.pairs(heldout_fraction=0.8)

    def test_refuses_an_index_of_another_model(self):
        with tempfile.TemporaryDirectory() as folder, \
                mock.patch.object(tiny_pairs, "FINGERPRINT", "other"):
            tiny_pairs.write(folder)
            with self.assertRaisesRegex(ValueError, "images of `features`.*of model 'other', with 15"):
                self.pairs(index_dir=f"{folder}/index")


if __name__ == "__main__":
    unittest.main()
