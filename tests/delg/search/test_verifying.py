"""delg.search.verifying: blocks of queries, kept as they are finished, also by the workers of a cluster."""

import os
import unittest
from unittest import mock

import numpy as np

from data_prep.stage.jobs import JobConfig
from delg.features.reader import FeatureReader
from delg.search import verifying
from delg.settings.search import SearchConfig
from tests.fixtures import planar_world

CONFIG = SearchConfig(num_rerank=12, min_inliers=12)
CLUSTER = JobConfig("SomeRunner")


class BlocksTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        planar_world.set_up_class(cls)
        cls.rows = np.tile(np.arange(12), (3, 1))
        with FeatureReader(cls.queries) as queries, FeatureReader(cls.images) as images:
            one = verifying._QueryVerifier(queries, images, CONFIG)
            cls.expected = verifying.stacked(one(query, cls.rows[query]) for query in range(3))

    def setUp(self):
        small = mock.patch.object(verifying, "_BLOCK_QUERIES", 1)
        small.start()
        self.addCleanup(small.stop)
        self.job_dir = str(self.folder / f"{self.id()}.verified")

    def verified(self, rows=None, config=CONFIG, inputs="inputs", job=None, num_workers=1, break_at=None):
        """What comes of the job, and the queries that it took to verify; `break_at` ends it like Ctrl-C."""
        asked, of_query = [], verifying._QueryVerifier.__call__

        def call(verifier, query, *arguments):
            if query == break_at:
                raise KeyboardInterrupt
            asked.append(query)
            return of_query(verifier, query, *arguments)

        with FeatureReader(self.queries) as queries, FeatureReader(self.images) as images, \
                mock.patch.object(verifying._QueryVerifier, "__call__", call), \
                verifying.query_verifiers(self.queries, self.images, config, num_workers, 36, queries,
                                          images) as verify:
            found = verifying.verify_in_blocks(verify, self.rows if rows is None else rows, self.queries,
                                               self.images, config, self.job_dir, inputs, job or JobConfig())
        return found, asked

    def check(self, found):
        for name, array in found._asdict().items():
            np.testing.assert_array_equal(array, getattr(self.expected, name), name)

    def test_blocks_are_put_together_in_their_order(self):
        for num_workers in (1, 2):
            found, _ = self.verified(num_workers=num_workers, inputs=f"of {num_workers}")
            self.check(found)

    def test_what_was_verified_before_the_end_is_kept(self):
        with self.assertRaises(KeyboardInterrupt):
            self.verified(break_at=2)
        found, asked = self.verified()
        self.assertEqual(asked, [2])
        self.check(found)
        self.assertEqual(self.verified()[1], [])

    def test_another_search_begins_anew(self):
        self.verified()
        for changed in ({"inputs": "others"}, {"config": SearchConfig(min_inliers=13)},
                        {"rows": self.rows[:, ::-1]}, {}):
            self.assertEqual(self.verified(**changed)[1], [0, 1, 2])

    def test_few_queries_leave_no_files(self):
        with mock.patch.object(verifying, "_BLOCK_QUERIES", 3):
            self.check(self.verified()[0])
        self.assertFalse(os.path.exists(self.job_dir))

    def test_a_damaged_block_is_refused(self):
        self.verified()
        path = os.path.join(self.job_dir, "000000001-000000002.npz")
        with open(path, "r+b") as file:
            file.write(b"damaged")
        with self.assertRaisesRegex(ValueError, "000000002.npz must be a block of verified queries"):
            self.verified()

    def test_workers_of_a_cluster_write_the_blocks(self):
        items = []

        def run(title, function, names, results_dir, config):
            self.assertEqual((results_dir, config), (self.job_dir, CLUSTER))
            for name in reversed(names):
                items.append(name)
                function(name)

        with mock.patch.object(verifying.jobs, "run", run):
            self.check(self.verified(job=CLUSTER)[0])
            self.verified(job=CLUSTER)
        self.assertEqual(items, ["2-3", "1-2", "0-1"])


if __name__ == "__main__":
    unittest.main()
