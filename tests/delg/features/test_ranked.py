"""delg.features.ranked: other images under the ids of a ranking are noticed wherever both are read."""

import pathlib
import shutil
import tempfile
import unittest

import numpy as np

from delg.exchange import ranking_pairs
from delg.features.ranked import refuse_other_images
from delg.features.reader import FeatureReader
from delg.report import page
from delg.scores.ranking import read_ranking
from delg.search import calibration
from delg.settings.report import ReportConfig
from tests.fixtures import tiny_search
from tests.fixtures.feature_shards import FeatureShard, write_feature_shard


class RankedTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp())
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        tiny_search.make_search(str(cls.folder))
        cls.ranking_path = str(cls.folder / "ranking.h5")
        cls.ranking = read_ranking(cls.ranking_path)
        cls.queries = str(cls.folder / "query-*.h5")
        (cls.folder / "other").mkdir()
        cls.other = str(cls.folder / "other/index-00000-of-00001.h5")
        with FeatureReader(str(cls.folder / "index-*.h5")) as images:
            none = np.zeros(0, np.float32)
            write_feature_shard(cls.other, FeatureShard(
                images.ids, images.global_descriptors[::-1], images.image_sizes,
                np.zeros(len(images) + 1, np.int64), none.reshape(0, 2), none.reshape(0, 64), none, none,
                images.config))

    def test_its_own_features_and_some_of_them_pass(self):
        with FeatureReader(self.queries) as queries, \
                FeatureReader(str(self.folder / "index-*.h5")) as images:
            refuse_other_images(self.ranking, queries, images)
            refuse_other_images(self.ranking, queries, queries)

    def test_rankings_without_cosines_are_not_checked(self):
        with FeatureReader(self.queries) as queries, FeatureReader(self.other) as images:
            with self.assertRaisesRegex(ValueError, "must be those that `ranking` was made from. Received: "
                                                    "other images of the ids .* of similarity 0.*has 0"):
                refuse_other_images(self.ranking, queries, images)
            for change in ({"rerankers": "dba"}, {"ranked_by": "local features"},
                           {"query_view_features": "views"}):
                refuse_other_images(type(self.ranking)(**{**vars(self.ranking), "config": {
                    **self.ranking.config, **change}}), queries, images)

    def test_every_reader_of_both_refuses(self):
        both = str(self.folder / "both")
        pathlib.Path(both).mkdir()
        shutil.copy(self.folder / "query-00000-of-00001.h5", both)
        shutil.copy(self.other, both)
        truth = str(self.folder / "gnd.json")
        report = ReportConfig(ranking=self.ranking_path, ground_truth=truth,
                              metrics=str(self.folder / "metrics.json"), output_dir=str(self.folder / "page"),
                              query_features=self.queries, index_features=self.other,
                              query_images=str(self.folder / "query-?????-of-00001"),
                              index_images=str(self.folder / "index-?????-of-00001"))
        for read in (lambda: calibration.fit(self.ranking_path, truth, self.queries, self.other),
                     lambda: ranking_pairs.write_matches(str(self.folder / "m.h5"), self.ranking, [], both),
                     lambda: page.make_report(report)):
            with self.assertRaisesRegex(ValueError, "must be those that `ranking` was made from"):
                read()


if __name__ == "__main__":
    unittest.main()
