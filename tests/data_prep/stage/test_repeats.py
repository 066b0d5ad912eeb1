"""data_prep.stage.repeats: the first name that is not new."""

import unittest

from data_prep.stage.repeats import first_repeated


class FirstRepeatedTest(unittest.TestCase):
    def test_by_hand(self):
        self.assertIsNone(first_repeated("abc"))
        self.assertEqual(first_repeated("abcbc"), "b")
        self.assertEqual(first_repeated("abcbc", known={"c", "d"}), "c")
        self.assertIsNone(first_repeated([], known={"c"}))


if __name__ == "__main__":
    unittest.main()
