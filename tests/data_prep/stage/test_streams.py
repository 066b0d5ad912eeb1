"""Streams keep their order, read little ahead, and hold no item up for long."""

import time
import unittest

from data_prep.stage import streams


class SameSizedTest(unittest.TestCase):
    def batches(self, items, full):
        return ["".join(batch) for batch in streams.same_sized(
            items, lambda item: (item.lower(), full[item.lower()]))]

    def test_full_batches_go_at_once_and_the_rest_at_the_end(self):
        self.assertEqual(self.batches("abaAbcaB", {"a": 2, "b": 3, "c": 1}), ["aa", "c", "Aa", "bbB"])
        self.assertEqual(self.batches("aba", {"a": 3, "b": 3}), ["aa", "b"])

    def test_those_that_waited_longest_go_when_too_many_wait(self):  # more than four batches of two
        self.assertEqual(self.batches("abcdefghi", dict.fromkeys("abcdefghi", 2)),
                         ["a", "b", "c", "d", "e", "f", "g", "h", "i"])
        waiting = streams.same_sized(iter("abcdefghi" + "a" * 2), lambda item: (item, 2))
        self.assertEqual(next(waiting), ["a"])

    def test_one_of_a_rare_size_holds_up_few_of_those_behind_it(self):
        numbered = list(enumerate("a" + "b" * 40))
        batches = streams.same_sized(numbered, lambda item: (item[1], 2))
        order = [item for batch in batches for item, _ in batch]
        self.assertEqual(order, [*range(1, 9), 0, *range(9, 41)])  # after four batches of two


class MappedInOrderTest(unittest.TestCase):
    def test_slow_items_do_not_change_the_order(self):
        def slow_first(item):
            time.sleep(0.05 if item == 0 else 0)
            return item

        self.assertEqual(list(streams.mapped_in_order(slow_first, range(50))), list(range(50)))

    def test_does_not_read_far_ahead(self):
        read = []
        numbers = (read.append(i) or i for i in range(1000))
        results = streams.mapped_in_order(lambda item: item, numbers)
        next(results)
        self.assertLess(len(read), 20)
        results.close()

    def test_errors_come_through(self):
        with self.assertRaises(ZeroDivisionError):
            list(streams.mapped_in_order(lambda item: 1 // item, [1, 0]))


if __name__ == "__main__":
    unittest.main()
