"""delg.index_config: checked, and resolved by the number of images."""

import unittest

from delg.index_config import IndexConfig


class IndexConfigTest(unittest.TestCase):
    def test_exact_below_a_million(self):
        self.assertEqual(IndexConfig().resolved(999_999).index_type, "exact")
        self.assertEqual(IndexConfig().resolved(1_000_000).index_type, "ivf")
        self.assertEqual(IndexConfig(index_type="hnsw").resolved(10).index_type, "hnsw")

    def test_number_of_lists(self):  # 4 * sqrt(n): 4000, 1265, and at least 4 images a list
        for num_images, expected in ((1_000_000, 4096), (100_000, 1024), (40, 10), (1, 1)):
            self.assertEqual(IndexConfig().resolved(num_images).num_lists, expected)
        self.assertEqual(IndexConfig(num_lists=7).resolved(10**6).num_lists, 7)

    def test_refuses_what_cannot_be(self):
        with self.assertRaisesRegex(ValueError, "`index_type` must be one of auto, exact.*index_type='tree'"):
            IndexConfig(index_type="tree")
        with self.assertRaisesRegex(ValueError, "`descriptor_dtype` must be one of.*'int8'"):
            IndexConfig(descriptor_dtype="int8")
        with self.assertRaisesRegex(ValueError, "`num_probes` must be at least 1. Received: .*=0"):
            IndexConfig(num_probes=0)


if __name__ == "__main__":
    unittest.main()
