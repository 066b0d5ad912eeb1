"""Every record once an epoch, whoever reads it, and any stretch without those before it."""

import unittest

import numpy as np

from data_prep.records.record_order import RecordOrder

COUNTS = [9, 0, 4, 10, 1]


def numbers(start, count, **settings):
    return RecordOrder(COUNTS, **{"seed": 0, "window": 6, **settings}).take(start, count).numbers.tolist()


class RecordOrderTest(unittest.TestCase):
    def test_each_epoch_is_another_permutation(self):
        first, second = numbers(0, 24), numbers(24, 24)
        self.assertEqual(sorted(first), list(range(24)))
        self.assertEqual(sorted(second), list(range(24)))
        self.assertNotEqual(first, second)
        self.assertNotEqual(first, numbers(0, 24, seed=1))

    def test_a_stretch_is_found_without_those_before_it(self):
        whole = numbers(0, 80)
        for start, count in ((0, 7), (5, 30), (23, 2), (50, 30)):
            self.assertEqual(numbers(start, count), whole[start:start + count])

    def test_workers_together_read_each_example_once(self):
        for num_workers in (1, 2, 3, 5):
            workers = [RecordOrder(COUNTS, 3, 6, index, num_workers) for index in range(num_workers)]
            self.assertLessEqual(np.ptp([worker.epoch_length for worker in workers]), 1)
            for epoch in range(2):
                parts = [worker.take(epoch * worker.epoch_length, worker.epoch_length) for worker in workers]
                with self.subTest(num_workers=num_workers, epoch=epoch):
                    self.assertEqual(sorted(np.concatenate([part.numbers for part in parts])),
                                     list(range(24)))
                    self.assertEqual(np.concatenate([part.places for part in parts]).tolist(),
                                     list(range(epoch * 24, (epoch + 1) * 24)))

    def test_a_worker_opens_few_shards(self):
        worker = RecordOrder([10] * 64, 0, 40, 1, 4)
        self.assertEqual(len(set(worker.take(0, worker.epoch_length).numbers // 10)), 16)

    def test_a_window_over_the_whole_set_mixes_evenly(self):
        places = np.zeros(24)
        for epoch in range(400):
            places[numbers(epoch * 24, 24, window=100)] += np.arange(24)
        np.testing.assert_allclose(places / 400, 11.5, atol=1.6)  # deviation of each mean: 0.35

    def test_windows_draw_from_several_shards(self):
        order = RecordOrder([100] * 8, 0, 40)
        shards = order.take(0, 40).numbers // 100
        self.assertEqual(np.bincount(shards, minlength=8).tolist(), [5] * 8)

    def test_refuses_a_worker_that_is_none(self):
        with self.assertRaisesRegex(ValueError, "`worker_index` must be from 0 .* worker_index=2, num_w.*=2"):
            RecordOrder(COUNTS, 0, 6, 2, 2)

    def test_refuses_more_workers_than_examples(self):
        with self.assertRaisesRegex(ValueError, "Every worker .* Received: 2 examples, num_workers=3"):
            RecordOrder([2], 0, 6, 0, 3)


if __name__ == "__main__":
    unittest.main()
