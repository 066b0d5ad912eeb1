"""delg.index.candidates.reduced: lists and graphs over principal components."""

import unittest

import numpy as np

from delg.index.candidates.hnsw import NeighborGraph
from delg.index.candidates.ivf import InvertedLists
from delg.index.store import DescriptorStore
from delg.settings.index import IndexConfig


def clusters(count, seed=0):
    generator = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(20, 24))
    vectors = (centres[np.arange(count) % 20] + 0.3 * generator.normal(size=(count, 24))).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


class ReducedIndexTest(unittest.TestCase):
    def made(self, finder):
        config = IndexConfig(reduced_dimension=12, num_lists=8, num_probes=4)
        index = finder.train(clusters(600), config)
        index.add(DescriptorStore([clusters(400)]))
        index.add(DescriptorStore([clusters(600)[400:]]))
        return config, index

    def test_finds_the_cluster_of_the_query(self):
        for finder in (InvertedLists, NeighborGraph):
            _, index = self.made(finder)
            self.assertEqual(index.num_places, 600)
            found = index.candidates(clusters(20, seed=1), 20, None)
            self.assertGreater(np.mean(found % 20 == np.arange(20)[:, None]), 0.95)

    def test_finds_only_what_counts(self):
        kept = np.arange(0, 600, 7)
        for finder in (InvertedLists, NeighborGraph):
            found = self.made(finder)[1].candidates(clusters(20, seed=1), 60, kept)
            self.assertTrue(set(found[found >= 0].tolist()) <= set(kept.tolist()))
            self.assertGreater(np.count_nonzero(found >= 0), 20)

    def test_made_twice_it_is_the_same_and_survives_its_bytes(self):
        for finder in (InvertedLists, NeighborGraph):
            config, index = self.made(finder)
            content = index.to_bytes()
            np.testing.assert_array_equal(content, self.made(finder)[1].to_bytes())
            loaded = finder.from_bytes(index.components, content, config)
            np.testing.assert_array_equal(loaded.candidates(clusters(9, seed=1), 20, None),
                                          index.candidates(clusters(9, seed=1), 20, None))

    def test_refuses_an_index_of_another_kind(self):
        config, index = self.made(InvertedLists)
        with self.assertRaisesRegex(ValueError, "must be a IndexHNSW of 12 dimensions. Received: IndexIVF"):
            NeighborGraph.from_bytes(index.components, index.to_bytes(), config)
        with self.assertRaisesRegex(ValueError, "IndexIVF of 24 dimensions. Received: .* of 12"):
            InvertedLists.from_bytes(np.eye(24, dtype=np.float32), index.to_bytes(), config)


if __name__ == "__main__":
    unittest.main()
