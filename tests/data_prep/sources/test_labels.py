"""Classes are numbered by ascending landmark; no class loses its last training image."""

import unittest

import numpy as np

from data_prep.sources import labels


class ExplodeCleanListsTest(unittest.TestCase):
    def test_by_hand(self):
        ids, landmarks = labels.explode_clean_lists([7, 3], ["a b c", "d"])
        self.assertEqual(ids, ["a", "b", "c", "d"])
        self.assertEqual(landmarks.tolist(), [7, 7, 7, 3])


class AssignClassesTest(unittest.TestCase):
    def test_ascending_landmark_ids(self):
        classes = labels.assign_classes(np.array([40, 7, 7, 1000, 40]), 0.0, seed=0)
        self.assertEqual(classes.landmarks, [7, 40, 1000])
        self.assertEqual(classes.num_classes, 3)
        self.assertEqual(classes.labels.tolist(), [1, 0, 0, 2, 1])

    def test_held_out_classes_come_last(self):
        landmarks = np.repeat(np.arange(10), 3)
        classes = labels.assign_classes(landmarks, 0.3, seed=5)
        self.assertEqual(classes.num_classes, 7)
        self.assertEqual(sorted(classes.landmarks), list(range(10)))
        self.assertEqual(classes.landmarks[:7], sorted(classes.landmarks[:7]))
        self.assertEqual(classes.landmarks[7:], sorted(classes.landmarks[7:]))
        np.testing.assert_array_equal(np.array(classes.landmarks)[classes.labels], landmarks)

    def test_single_images_are_not_held_out(self):
        classes = labels.assign_classes(np.array([1, 2, 3, 4, 4]), 0.25, seed=0)
        self.assertEqual(classes.landmarks, [1, 2, 3, 4])
        self.assertEqual(classes.num_classes, 3)

    def test_same_seed_same_choice(self):
        landmarks = np.repeat(np.arange(50), 2)
        chosen = [labels.assign_classes(landmarks, 0.2, seed).landmarks[40:] for seed in (1, 1, 2)]
        self.assertEqual(chosen[0], chosen[1])
        self.assertNotEqual(chosen[0], chosen[2])

    def test_refuses_a_fraction_of_one(self):
        with self.assertRaisesRegex(ValueError, r"must be in \[0, 1\). Received: heldout_class_fraction=1"):
            labels.assign_classes(np.array([0, 0]), 1.0, seed=0)

    def test_refuses_to_hold_out_all(self):
        with self.assertRaisesRegex(ValueError, "leave a class to train on.* 1 classes"):
            labels.assign_classes(np.array([0, 0]), 0.5, seed=0)


class SplitImagesTest(unittest.TestCase):
    def test_every_image_once_and_every_class_trained_on(self):
        rng = np.random.default_rng(0)
        counts = rng.integers(1, 9, 200)
        of_image = rng.permutation(np.repeat(np.arange(200), counts))
        splits = labels.split_images(of_image, 180, 0.2, seed=3)
        self.assertEqual(sorted(np.concatenate(list(splits.values()))), list(range(len(of_image))))
        self.assertEqual(set(of_image[splits["train"]]), set(range(180)))
        self.assertEqual(set(of_image[splits["heldout"]]), set(range(180, 200)))
        self.assertTrue(np.all(of_image[splits["validation"]] < 180))

    def test_share_is_met_over_small_classes(self):  # a fifth of three images is none, of five such three
        splits = labels.split_images(np.repeat(np.arange(50), 3), 50, 0.2, seed=0)
        self.assertEqual(len(splits["validation"]), 30)

    def test_single_images_stay_in_training(self):
        splits = labels.split_images(np.arange(6), 6, 0.5, seed=0)
        self.assertEqual(sorted(splits["train"]), list(range(6)))
        self.assertNotIn("validation", splits)

    def test_training_is_mixed_and_heldout_goes_by_class(self):
        of_image = np.repeat(np.arange(20), 10)
        splits = labels.split_images(of_image, 10, 0.0, seed=0)
        first = of_image[splits["train"][:10]]
        self.assertGreater(len(set(first)), 4)
        self.assertEqual(of_image[splits["heldout"]].tolist(), of_image[100:].tolist())

    def test_same_seed_same_split(self):
        of_image = np.repeat(np.arange(20), 10)
        one, two, other = (labels.split_images(of_image, 20, 0.2, seed) for seed in (1, 1, 2))
        np.testing.assert_array_equal(one["train"], two["train"])
        self.assertFalse(np.array_equal(one["train"], other["train"]))

    def test_refuses_a_fraction_of_one(self):
        with self.assertRaisesRegex(ValueError, r"must be in \[0, 1\). Received: validation_fraction=1"):
            labels.split_images(np.array([0, 0]), 1, 1.0, seed=0)


if __name__ == "__main__":
    unittest.main()
