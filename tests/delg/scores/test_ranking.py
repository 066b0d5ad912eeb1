"""delg.scores.ranking: what is written is read, and broken files are refused."""

import dataclasses
import os
import shutil
import tempfile
import unittest

import h5py
import numpy as np

from delg.scores.ranking import Ranking, read_ranking, write_ranking
from delg.settings.search import SearchConfig


def tiny_ranking():
    return Ranking(query_ids=["q", "é"], index_ids=["a", "b", "c"],
                   ranks=np.array([[2, 0, 1], [1, 2, 0]], np.int32),
                   similarities=np.array([[0.4, 0.9, 0.1], [0.5, 0.5, 0.7]], np.float32),
                   num_inliers=np.array([[30, 0, -1], [9, 0, -1]], np.int32),
                   transforms=np.full((2, 2, 3, 3), np.nan, np.float32),
                   config={"min_inliers": 12, "fingerprint": "f"})


class RankingTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.path = os.path.join(self.folder, "deep", "ranking.h5")

    def test_reads_what_was_written(self):
        ranking = tiny_ranking()
        write_ranking(self.path, ranking)
        read = read_ranking(self.path)
        self.assertEqual((read.query_ids, read.index_ids, read.config),
                         (ranking.query_ids, ranking.index_ids, ranking.config))
        for name in ("ranks", "similarities", "num_inliers", "transforms"):
            np.testing.assert_array_equal(getattr(read, name), getattr(ranking, name))
            self.assertEqual(getattr(read, name).dtype, getattr(ranking, name).dtype)
        self.assertEqual(os.listdir(os.path.dirname(self.path)), ["ranking.h5"])
        self.assertEqual(read.num_verified, 2)

    def test_what_is_kept_besides_is_read_and_may_be_missing(self):
        self.assertFalse(tiny_ranking().keeps_matches)
        ranking = dataclasses.replace(
            tiny_ranking(), num_matches=np.array([[50, 9], [20, 0]], np.int32),
            num_mutual=np.array([[25, 0], [8, 0]], np.int32),
            local_similarities=np.ones((2, 3), np.float32))
        for written in (ranking, tiny_ranking()):
            write_ranking(self.path, written)
            read = read_ranking(self.path)
            self.assertEqual(read.keeps_matches, written.keeps_matches)
            for name in ("num_matches", "num_mutual", "local_similarities"):
                np.testing.assert_array_equal(getattr(read, name), getattr(written, name))
        with h5py.File(self.path, "a") as file:
            file["num_matches"] = np.zeros((2, 1), np.int32)
        with self.assertRaisesRegex(ValueError, r"one row per query.*num_matches \(2, 1\)"):
            read_ranking(self.path)

    def test_order_before_verification(self):  # by similarity; b and c tie in the second, b is the lower row
        np.testing.assert_array_equal(tiny_ranking().global_ranks(), [[0, 2, 1], [0, 1, 2]])
        columns = tiny_ranking().global_columns()
        np.testing.assert_array_equal(np.take_along_axis(tiny_ranking().ranks, columns, 1),
                                      [[0, 2, 1], [0, 1, 2]])

    def test_floor_is_at_least_one_inlier(self):
        self.assertEqual(tiny_ranking().floor, 12)
        self.assertEqual(dataclasses.replace(tiny_ranking(), config={"min_inliers": 0}).floor, 1)

    def test_settings_come_back(self):
        self.assertEqual(tiny_ranking().search_config, SearchConfig(min_inliers=12))

    def test_refuses_a_missing_file(self):
        with self.assertRaisesRegex(FileNotFoundError, "must be a file of delg.search_images"):
            read_ranking(self.path)

    def test_refuses_a_file_of_another_kind(self):
        path = os.path.join(self.folder, "text.h5")
        with open(path, "w", encoding="utf-8") as file:
            file.write("no ranking")
        with self.assertRaisesRegex(ValueError, "text.h5 must be a ranking"):
            read_ranking(path)

    def test_refuses_contradicting_arrays(self):
        write_ranking(self.path, tiny_ranking())
        with h5py.File(self.path, "a") as file:
            del file["num_inliers"]
            file["num_inliers"] = np.zeros((2, 2), np.int32)
        with self.assertRaisesRegex(ValueError, r"Received: 2 queries.*num_inliers \(2, 2\)"):
            read_ranking(self.path)


if __name__ == "__main__":
    unittest.main()
