"""A ranking becomes pairs, matches and geometries for hloc and COLMAP."""

import os
import pathlib
import shutil
import tempfile
import unittest

import numpy as np

from delg.exchange import hloc, ranking_pairs
from delg.features.reader import FeatureReader
from delg.geometry import pairs
from delg.index import building
from delg.scores.ranking import Ranking, read_ranking
from delg.search import retrieval
from delg.settings.search import SearchConfig
from tests.fixtures import colmap_reader, hloc_matches, planar_world, scripts


def ranking_of(num_verified=2):
    """Two queries of which one is an index image; image d alone has enough inliers for q."""
    return Ranking(["q", "b"], ["a", "b", "c", "d"], np.int32([[2, 3, 1, 0], [1, 3, 0, 2]]),
                   np.float32([[0.9, 0.8, 0.7, 0.6]] * 2),
                   np.int32([[3, 30, -1, -1], [50, 30, -1, -1]]) if num_verified else np.full((2, 4), -1),
                   np.zeros((2, num_verified, 3, 3), np.float32), {"min_inliers": 20})


class PairsOfRankingTest(unittest.TestCase):
    def test_the_first_results_in_order(self):
        self.assertEqual(ranking_pairs.pairs_of_ranking(ranking_of(), 2),
                         [("q", "c"), ("q", "d"), ("b", "d"), ("b", "a")])

    def test_verified_results_only(self):
        self.assertEqual(ranking_pairs.pairs_of_ranking(ranking_of(), 2, verified_only=True),
                         [("q", "d"), ("b", "d")])

    def test_two_images_are_one_pair(self):
        ranking = ranking_of()
        turned = Ranking(["a", "b"], ranking.index_ids, np.int32([[0, 1], [1, 0]]),
                         ranking.similarities[:, :2], ranking.num_inliers[:, :2], ranking.transforms,
                         ranking.config)
        self.assertEqual(ranking_pairs.pairs_of_ranking(turned, 5), [("a", "b")])

    def test_refuses_no_pairs_and_no_verification(self):
        with self.assertRaisesRegex(ValueError, "`num_pairs` must be positive. Received: num_pairs=0"):
            ranking_pairs.pairs_of_ranking(ranking_of(), 0)
        with self.assertRaisesRegex(ValueError, "`verified_only` needs .* one of the global search"):
            ranking_pairs.pairs_of_ranking(ranking_of(num_verified=0), 1, verified_only=True)


class ExportTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp())
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.positives = planar_world.write_world(cls.folder)
        cls.features, images = str(cls.folder / "*.h5"), str(cls.folder / "index-*.h5")
        building.build_index(images, cls.path("index"))
        os.mkdir(cls.path("search"))
        retrieval.search(str(cls.folder / "query-*.h5"), images, cls.path("index"),
                         cls.path("search/ranking.h5"), SearchConfig(num_rerank=12, min_inliers=20))
        cls.expected = {(f"q{query}.jpg", f"i{row}.jpg") for query, rows in enumerate(cls.positives)
                        for row in rows}

    @classmethod
    def path(cls, name):
        return str(cls.folder / name)

    def run_script(self, **settings):
        return scripts.run("delg.export_pairs", **settings)

    def test_as_a_command(self):
        done = self.run_script(ranking=self.path("search/ranking.h5"), output=self.path("pairs.txt"),
                               verified_only=True, name_suffix=".jpg", features=self.features,
                               matches=self.path("search/matches.h5"), database=self.path("database.db"))
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("6 pairs in ", done.stdout)
        self.assertEqual(set(hloc.read_pairs(self.path("pairs.txt"))), self.expected)
        ranking = read_ranking(self.path("search/ranking.h5"))
        geometries = colmap_reader.read_matches(self.path("database.db"), inliers=True)
        self.assertEqual({tuple(sorted(pair)) for pair in geometries},
                         {tuple(sorted(pair)) for pair in self.expected})
        for query, query_id in enumerate(ranking.query_ids):  # the inliers that the search counted
            for row in self.positives[query]:
                place, index_id = ranking.ranks[query].tolist().index(row), ranking.index_ids[row]
                rows, scores = hloc_matches.read_matches(self.path("search/matches.h5"), f"{query_id}.jpg",
                                                       f"{index_id}.jpg")
                self.assertEqual(len(rows), ranking.num_inliers[query, place])
                self.assertTrue(np.all((scores > 0.5) & (scores <= 1)))
                turned = geometries[f"{index_id}.jpg", f"{query_id}.jpg"]
                self.assertEqual(set(map(tuple, turned[:, ::-1])), set(map(tuple, rows)))

    def test_names_with_blanks_are_refused_before_the_work(self):
        done = self.run_script(ranking=self.path("search/ranking.h5"), output=self.path("no.txt"),
                               name_suffix=" 1.jpg", features=self.features, database=self.path("no.db"))
        self.assertEqual(done.returncode, 1)
        self.assertIn("no.txt must be words without white space", done.stderr)
        self.assertFalse({"no.txt", "no.db"} & set(os.listdir(self.folder)))

    def test_matches_lie_where_the_transform_says(self):
        ranking = read_ranking(self.path("search/ranking.h5"))
        pair = ("q0", f"i{self.positives[0][0]}")
        ranking_pairs.write_matches(self.path("search/some.h5"), ranking, [pair], self.features)
        rows, _ = hloc_matches.read_matches(self.path("search/some.h5"), *pair)
        self.assertGreater(len(rows), 50)
        with FeatureReader(self.features) as reader:
            query, found = (reader.local_features(reader.ids.index(name)) for name in pair)
        transform = pairs.verify_pair(query, found, ranking.search_config, planar_world.IMAGE_SIZE).transform
        mapped = np.column_stack([found.keypoints_yx[rows[:, 1], ::-1], np.ones(len(rows))]) @ transform.T
        np.testing.assert_allclose(mapped[:, 1::-1] / mapped[:, 2:], query.keypoints_yx[rows[:, 0]], atol=20)

    def test_refuses_features_of_another_model(self):
        folder = self.folder / "other"
        folder.mkdir()
        planar_world.write_world(folder, fingerprint="model-b")
        ranking = read_ranking(self.path("search/ranking.h5"))
        for write in (ranking_pairs.write_matches, ranking_pairs.write_database):
            with self.assertRaisesRegex(ValueError, "'model-a'. Received: .*other.* of model 'model-b'"):
                write(self.path("search/none"), ranking, [("q0", "i0")], str(folder / "*.h5"))
        self.assertFalse(os.path.exists(self.path("search/none")))

    def test_the_command_refuses_what_makes_no_sense(self):
        done = self.run_script(ranking=self.path("search/ranking.h5"), output=self.path("none.txt"),
                               matches=self.path("none.h5"))
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, "^Error: `features` goes with `matches` or `database`. Received: .*\n$")
        self.assertFalse(os.path.exists(self.path("none.txt")))


if __name__ == "__main__":
    unittest.main()
