"""delg.settings.index: checked, and resolved by the number of images."""

import unittest

from delg.settings.index import IndexConfig, read_config


class IndexConfigTest(unittest.TestCase):
    def test_exact_below_a_million(self):
        self.assertEqual(IndexConfig().resolved(999_999).index_type, "exact")
        self.assertEqual(IndexConfig().resolved(1_000_000).index_type, "ivf")
        self.assertEqual(IndexConfig(index_type="hnsw").resolved(10).index_type, "hnsw")

    def test_number_of_lists(self):  # 4 * sqrt(n): 4000, 1265, and at least 4 images a list
        for num_images, expected in ((1_000_000, 4096), (100_000, 1024), (40, 10), (1, 1)):
            self.assertEqual(IndexConfig().resolved(num_images).num_lists, expected)
        self.assertEqual(IndexConfig(num_lists=7).resolved(10**6).num_lists, 7)

    def test_number_of_codewords(self):  # 2047 * 40 = 81,880
        for num_descriptors, expected in ((81_880, 1024), (81_920, 2048), (10**9, 65_536), (3, 1), (0, 1)):
            self.assertEqual(IndexConfig().with_codewords(num_descriptors).num_codewords, expected)
        self.assertEqual(IndexConfig(num_codewords=9).with_codewords(10**6).num_codewords, 9)

    def test_refuses_what_cannot_be(self):
        with self.assertRaisesRegex(ValueError, "`index_type` must be one of auto, exact.*index_type='tree'"):
            IndexConfig(index_type="tree")
        with self.assertRaisesRegex(ValueError, "`descriptor_dtype` must be one of.*'int8'"):
            IndexConfig(descriptor_dtype="int8")
        with self.assertRaisesRegex(ValueError, "`num_probes` must be at least 1. Received: .*=0"):
            IndexConfig(num_probes=0)
        with self.assertRaisesRegex(ValueError, "`asmk_alpha` must be positive. Received: asmk_alpha=0"):
            IndexConfig(asmk_alpha=0)
        with self.assertRaisesRegex(ValueError, r"`asmk_threshold` must be in \[-1, 1\).*asmk_threshold=1"):
            IndexConfig(asmk_threshold=1)

    def test_settings_of_another_version_are_refused(self):
        self.assertEqual(read_config({"config": {"seed": 3}}), IndexConfig(seed=3))
        with self.assertRaisesRegex(ValueError, "index.json must hold settings that .*'colour'"):
            read_config({"config": {"colour": 3}})


if __name__ == "__main__":
    unittest.main()
