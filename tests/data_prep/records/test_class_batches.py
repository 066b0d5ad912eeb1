"""Every batch has its classes and images, all are visited equally often, and any batch stands alone."""

import unittest
from collections import Counter

import numpy as np

from data_prep.records.class_batches import ClassBatches, balanced_draw

LABELS = np.array([0] * 5 + [-1] * 3 + [4] * 2 + [2] * 7 + [9] * 3)  # four classes


class BalancedDrawTest(unittest.TestCase):
    def test_different_ones_and_all_equally_often(self):
        for count, size in ((3, 2), (7, 3), (4, 4), (5, 1), (10, 4), (7, 6)):
            draws = [balanced_draw(count, size, turn, (1, 2)).tolist() for turn in range(3 * count)]
            with self.subTest(count=count, size=size):
                self.assertTrue(all(len(set(draw)) == size for draw in draws))
                self.assertEqual(Counter(sum(draws, [])), Counter(list(range(count)) * 3 * size))

    def test_rounds_follow_each_other(self):
        drawn = np.concatenate([balanced_draw(7, 3, turn, (5,)) for turn in range(14)])
        for first in range(0, 42, 7):
            self.assertEqual(sorted(drawn[first:first + 7]), list(range(7)))
        self.assertNotEqual(drawn[:7].tolist(), drawn[7:14].tolist())
        self.assertNotEqual(drawn[:21].tolist(), drawn[21:].tolist())


class ClassBatchesTest(unittest.TestCase):
    def batches(self, num_classes, images_per_class, count, seed=0, **worker):
        batches = ClassBatches(LABELS, num_classes, images_per_class, seed, **worker)
        return [batches.take(step) for step in range(count)]

    def test_classes_and_images_of_a_batch(self):
        for batch in self.batches(3, 2, 40):
            rows = batch.numbers.reshape(3, 2)
            labels = LABELS[rows]
            self.assertTrue((labels[:, 0] == labels[:, 1]).all())
            self.assertEqual(len(set(labels[:, 0])), 3)
            self.assertEqual(len(set(rows.ravel())), 6)

    def test_classes_and_their_images_come_equally_often(self):
        batches = self.batches(3, 2, 4 * 7 * 5 * 3)
        counts = Counter(np.concatenate([batch.numbers for batch in batches]).tolist())
        visits = 3 * 4 * 7 * 5 * 3 // 4
        for label in (0, 2, 4, 9):
            of_class = [counts[number] for number in np.flatnonzero(label == LABELS)]
            self.assertEqual(sum(of_class), visits * 2)
            self.assertLessEqual(max(of_class) - min(of_class), 1)
        self.assertFalse(set(counts) & set(np.flatnonzero(LABELS < 0)))

    def test_a_small_class_gives_all_it_has_over_again(self):
        batch, = self.batches(4, 5, 1)
        rows = batch.numbers.reshape(4, 5)
        small = next(row for row in rows if LABELS[row[0]] == 4)
        self.assertEqual(sorted(Counter(small.tolist()).values()), [2, 3])

    def test_workers_share_each_batch(self):
        whole = self.batches(4, 3, 6, seed=4)
        for num_classes, num_workers in ((2, 2), (1, 4)):
            for index in range(num_workers):
                part = slice(index * 3 * num_classes, (index + 1) * 3 * num_classes)
                for batch, expected in zip(self.batches(num_classes, 3, 6, seed=4, worker_index=index,
                                                        num_workers=num_workers), whole):
                    self.assertEqual(batch.numbers.tolist(), expected.numbers[part].tolist())
                    self.assertEqual(batch.places.tolist(), expected.places[part].tolist())

    def test_another_seed_gives_other_batches(self):
        one, other = (self.batches(3, 2, 4, seed=seed) for seed in (0, 1))
        self.assertNotEqual([batch.numbers.tolist() for batch in one],
                            [batch.numbers.tolist() for batch in other])

    def test_refuses_too_few_classes(self):
        with self.assertRaisesRegex(ValueError, "classes of a batch, .* Received: 5 against 4 with"):
            ClassBatches(LABELS, 5, 2, 0)
        with self.assertRaisesRegex(ValueError, "classes of a batch, .* Received: 6 against 4 with"):
            ClassBatches(LABELS, 2, 2, 0, worker_index=0, num_workers=3)


if __name__ == "__main__":
    unittest.main()
