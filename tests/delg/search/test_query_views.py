"""Queries searched for with views of them."""

import unittest

import numpy as np

from delg.features.reader import FeatureReader
from delg.index import building
from delg.search import retrieval
from delg.search.query_views import QueriesWithViews
from delg.settings.index import IndexConfig
from delg.settings.search import SearchConfig
from tests.fixtures import planar_world
from tests.fixtures.feature_shards import FeatureShard, write_feature_shard

NUM_VIEWS = 2


class QueryViewsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        planar_world.set_up_class(cls)
        building.build_index(cls.images, str(cls.folder / "index"))
        building.build_index(cls.images, str(cls.folder / "local"),
                             IndexConfig(index_type="binary_asmk", num_codewords=64))
        with FeatureReader(cls.queries) as queries, FeatureReader(cls.images) as images:
            cls.own, cls.config, cls.ids = queries.global_descriptors, queries.config, queries.ids
            cls.local = [queries.local_features(row) for row in range(len(queries))]
            near_positives = images.global_descriptors[[rows[0] for rows in cls.positives]]
            cls.local_of_positives = [images.local_features(rows[0]) for rows in cls.positives]
        cls.of_views = np.repeat(near_positives, NUM_VIEWS, axis=0)
        cls.views = cls.write("views", cls.config)

    @classmethod
    def write(cls, name, config, ids=None):
        """Views whose global and local features are those of a positive."""
        path = str(cls.folder / f"{name}.h5")
        local = [cls.local_of_positives[row // NUM_VIEWS] for row in range(len(cls.of_views))]
        write_feature_shard(path, FeatureShard(
            ids or [f"{query}@{number}" for query in cls.ids for number in range(NUM_VIEWS)], cls.of_views,
            np.tile(planar_world.IMAGE_SIZE, (len(local), 1)),
            np.r_[0, np.cumsum([len(features) for features in local])].astype(np.int64),
            *(np.concatenate([getattr(features, field) for features in local])
              for field in ("keypoints_yx", "descriptors", "scores", "scales")),
            {**config, "simulated_views": True}))
        return path

    def search(self, output, views="", **settings):
        config = SearchConfig(**{"num_rerank": 12, "min_inliers": 12, **settings})
        return retrieval.search(self.queries, self.images, str(self.folder / "index"),
                                str(self.folder / output), config, num_workers=1,
                                local_index_dir=str(self.folder / "local"), query_view_features=views)

    def test_the_mean_of_descriptors_and_all_local_features(self):
        with FeatureReader(self.queries) as queries, FeatureReader(self.views) as views:
            both = QueriesWithViews(queries, views)
            self.assertEqual((len(both), both.ids), (len(self.ids), self.ids))
            expected = planar_world.unit((self.own + 2 * self.of_views[::NUM_VIEWS]) / 3)
            np.testing.assert_allclose(both.global_descriptors, expected, atol=1e-6)
            for row, (own, view) in enumerate(zip(self.local, self.local_of_positives)):
                found = both.local_features(row)
                for field in ("keypoints_yx", "descriptors", "scores", "scales"):
                    np.testing.assert_allclose(getattr(found, field), np.concatenate(
                        [getattr(own, field), *[getattr(view, field)] * NUM_VIEWS]), rtol=1e-6)

    def test_all_but_verification_looks_at_views(self):
        plain, ranking = self.search("plain.h5"), self.search("with_views.h5", self.views)
        for query, positives in enumerate(self.positives):
            columns, plainly = (list(found.ranks[query]) for found in (ranking, plain))
            for row in range(len(columns)):
                self.assertEqual(ranking.num_inliers[query, columns.index(row)],
                                 plain.num_inliers[query, plainly.index(row)])
            similarity, local = (dict(zip(columns, array[query])) for array in (
                ranking.similarities, ranking.local_similarities))
            before = plain.similarities[query, plainly.index(positives[0])]
            self.assertGreater(similarity[positives[0]], before + 0.01)
            self.assertEqual(max(local, key=local.get), positives[0])
        self.assertEqual(ranking.config["query_view_features"], self.views)

    def test_a_ranking_without_views_is_made_anew(self):
        kept = self.search("kept.h5")
        self.assertFalse(np.array_equal(self.search("kept.h5", self.views).similarities, kept.similarities))
        np.testing.assert_array_equal(self.search("kept.h5").similarities, kept.similarities)

    def test_views_that_do_not_belong_are_refused(self):
        fewer = self.write("fewer", self.config, [f"x@{number}" for number in range(len(self.of_views))])
        with self.assertRaisesRegex(ValueError, "`query_view_features` must hold views of every query. "
                                                "Received: none of 3 of 3, such as 'q0'."):
            self.search("x.h5", fewer)
        larger = self.write("larger", {**self.config, "max_image_size": 2048})
        with self.assertRaisesRegex(ValueError, "`query_features` and `query_view_features` must be of one "
                                                "model and setting. Received: max_image_size=1024 in "):
            self.search("x.h5", larger)


if __name__ == "__main__":
    unittest.main()
