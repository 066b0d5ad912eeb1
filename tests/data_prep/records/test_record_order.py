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

    def test_a_step_of_workers_is_that_of_one_however_many_they_are(self):  # batches of 12, 2.5 epochs
        whole = RecordOrder(COUNTS, 3, 6).take(0, 60)
        for num_workers in (1, 2, 3, 4):
            share = 12 // num_workers
            workers = [RecordOrder(COUNTS, 3, 6, index, num_workers, share) for index in range(num_workers)]
            for step in range(5):
                parts = [worker.take(step * share, share) for worker in workers]
                with self.subTest(num_workers=num_workers, step=step):
                    for found, expected in zip(zip(*parts), whole):
                        self.assertEqual(np.concatenate(found).tolist(),
                                         expected[step * 12:(step + 1) * 12].tolist())

    def test_no_example_is_lost_where_the_number_of_workers_changes_in_an_epoch(self):
        read = []
        for first, end, num_workers in ((0, 2, 3), (2, 3, 2), (3, 4, 6)):  # four steps of 6: an epoch
            share = 6 // num_workers
            for index in range(num_workers):
                worker = RecordOrder(COUNTS, 3, 6, index, num_workers, share)
                read.extend(worker.take(first * share, (end - first) * share).numbers.tolist())
        self.assertEqual(sorted(read), list(range(24)))

    def test_a_stretch_of_a_worker_may_begin_inside_a_block(self):
        worker = RecordOrder(COUNTS, 3, 6, 1, 2, 4)
        whole = worker.take(0, 30)
        for start, count in ((0, 3), (3, 7), (10, 20)):
            found = worker.take(start, count)
            self.assertEqual(found.places.tolist(), whole.places[start:start + count].tolist())
            self.assertEqual(found.numbers.tolist(), whole.numbers[start:start + count].tolist())

    def test_a_window_over_the_whole_set_mixes_evenly(self):
        places = np.zeros(24)
        for epoch in range(400):
            places[numbers(epoch * 24, 24, window=100)] += np.arange(24)
        np.testing.assert_allclose(places / 400, 11.5, atol=1.6)  # deviation of each mean: 0.35

    def test_windows_draw_from_several_shards(self):
        order = RecordOrder([100] * 8, 0, 40)
        shards = order.take(0, 40).numbers // 100
        self.assertEqual(np.bincount(shards, minlength=8).tolist(), [5] * 8)

    def test_a_wider_order_draws_from_more_shards(self):
        for width, num_shards in ((1, 1), (3, 3), (8, 8), (50, 8)):
            shards = RecordOrder([100] * 8, 0, 40, files_at_once=width).take(0, 24).numbers // 100
            self.assertEqual(len(set(shards.tolist())), num_shards)

    def test_refuses_a_worker_that_is_none(self):
        with self.assertRaisesRegex(ValueError, "`worker_index` must be from 0 .* worker_index=2, num_w.*=2"):
            RecordOrder(COUNTS, 0, 6, 2, 2)


if __name__ == "__main__":
    unittest.main()
