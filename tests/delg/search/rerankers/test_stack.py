"""Names of re-rankers, stacks of them and what becomes of the similarities; the flags that name them."""

import unittest

import numpy as np

from delg.index.exact import nearest
from delg.search.rerankers import alpha_qe, diffusion, neighbor_refinement, stack
from delg.settings.kinds import RERANKERS
from delg.settings.search import SearchConfig
from tests.fixtures.planar_world import unit


def clusters(num_clusters=6, per_cluster=10, dimension=16, noise=0.25, seed=0):
    """Index descriptors [N, D] around centres, a query of each at the edge, and the cluster of each row."""
    generator = np.random.default_rng(seed)
    centres = unit(generator.normal(size=(num_clusters, dimension)))
    members = np.repeat(np.arange(num_clusters), per_cluster)
    descriptors = unit(centres[members] + noise * generator.normal(size=(len(members), dimension)))
    return unit(centres + noise * generator.normal(size=centres.shape)), descriptors, members


def share_found(ranks, members, per_cluster=10):
    return np.mean([members[np.array(row[:per_cluster])] == query for query, row in enumerate(ranks)])


class RerankTest(unittest.TestCase):
    def setUp(self):
        self.queries, self.descriptors, self.members = clusters()

    def rerank(self, names, **constants):
        constants = {"diffusion_neighbors": 8, "diffusion_seeds": 3, "qe_neighbors": 4, "dba_neighbors": 4,
                     **constants}
        return stack.rerank(self.queries, self.descriptors, SearchConfig(rerankers=names, **constants))

    def test_nothing_is_the_plain_search(self):
        ranks, similarities = self.rerank("")
        expected, cosines = nearest(self.queries, self.descriptors, 60)
        np.testing.assert_array_equal(ranks, expected)
        np.testing.assert_array_equal(similarities, cosines)

    def test_each_finds_more_of_the_cluster(self):
        before = share_found(self.rerank("")[0], self.members)
        self.assertLess(before, 0.9)
        for name in RERANKERS:
            after = share_found(self.rerank(name)[0], self.members)
            self.assertGreater(after, before, name)

    def test_every_ranking_is_a_permutation_sorted_by_similarity(self):
        for names in (*RERANKERS, "dba,alpha_qe,diffusion,neighbor_refinement", "diffusion, alpha_qe"):
            ranks, similarities = self.rerank(names, diffusion_images=25, refined_images=20)
            np.testing.assert_array_equal(np.sort(ranks, axis=1), np.tile(np.arange(60), (6, 1)))
            order = np.lexsort((ranks, -similarities))  # the lower row first among equals
            np.testing.assert_array_equal(order, np.tile(np.arange(60), (6, 1)), names)
            self.assertEqual((ranks.dtype, similarities.dtype), (np.int32, np.float32))

    def test_many_equal_descriptors_hide_no_image_and_score_alike(self):  # 19 of 20 are of one file
        plain = self.rerank("")[0]
        before, file = share_found(plain, self.members), plain[0, 0]
        original = np.concatenate([np.full(600, file), np.arange(60), np.full(540, file)])
        self.descriptors = self.descriptors[original]
        for name in RERANKERS:
            for images in (300, 1200):
                with self.subTest(name, images=images):
                    ranks, similarities = self.rerank(name, diffusion_images=images, refined_images=images)
                    self.assertTrue(np.isfinite(similarities).all())
                    for row, of_row in zip(ranks, similarities):
                        np.testing.assert_array_equal(np.sort(row), np.arange(1200))
                        scored = slice(images if name in ("diffusion", "neighbor_refinement") else None)
                        self.assertLess(np.ptp(of_row[scored][original[row][scored] == file]), 1e-5)
                    distinct = [list(dict.fromkeys(original[row].tolist())) for row in ranks]
                    if images == 1200:  # of 300, copies leave few places to others
                        self.assertGreater(share_found(distinct, self.members), before)

    def test_results_that_are_not_compared_again_stay_behind_in_their_order(self):
        before, cosines = self.rerank("")
        for names, first in (("neighbor_refinement", 20), ("diffusion", 25)):
            ranks, similarities = self.rerank(names, diffusion_images=25, refined_images=20)
            np.testing.assert_array_equal(ranks[:, first:], before[:, first:])
            self.assertTrue(np.all(similarities[:, first:] <= cosines[:, first:]))
            self.assertEqual({*map(int, ranks[0, :first])}, {*map(int, before[0, :first])})

    def test_fewer_results_are_the_first_of_all(self):
        for names in RERANKERS:
            every, _ = self.rerank(names)
            few, similarities = self.rerank(names, num_neighbors=5)
            np.testing.assert_array_equal(few, every[:, :5])
            self.assertEqual(similarities.shape, (6, 5))

    def test_stack_is_one_after_the_other(self):
        queries = alpha_qe.expand_queries(
            self.queries, self.descriptors, nearest(self.queries, self.descriptors, 4)[0], 3.0)
        candidates, _ = nearest(queries, self.descriptors, 60)
        walked = diffusion.diffuse(queries, self.descriptors, candidates, 3, 8, 3.0, 0.99)
        order = np.lexsort((candidates, -walked))
        candidates = np.take_along_axis(candidates, order, 1)
        scores = neighbor_refinement.refine(queries, self.descriptors, candidates[:, :20], 9, 0.15)
        expected = np.take_along_axis(candidates[:, :20], np.lexsort((candidates[:, :20], -scores)), 1)
        ranks, _ = self.rerank("alpha_qe,diffusion,neighbor_refinement", refined_images=20)
        np.testing.assert_array_equal(ranks[:, :20], expected)

    def test_order_of_the_names_matters(self):
        one, _ = self.rerank("neighbor_refinement,alpha_qe")
        other, _ = self.rerank("alpha_qe,neighbor_refinement")
        self.assertTrue(np.any(one != other))

    def test_searches_with_the_index_it_is_given(self):
        depths = []

        def search(queries, count):
            depths.append(count)
            return nearest(queries, self.descriptors, count)

        config = SearchConfig(rerankers="alpha_qe", num_neighbors=3, qe_neighbors=7)
        stack.rerank(self.queries, self.descriptors, config, search)
        self.assertEqual(depths, [7, 7])  # of the query and of the moved query, as deep as needed

    def test_as_many_results_as_an_approximate_index_gives(self):
        def search(queries, count):
            return nearest(queries, self.descriptors, count or 12)  # asked for all, it has 12 candidates

        for names, images in (("alpha_qe", 400), ("neighbor_refinement", 20)):
            config = SearchConfig(rerankers=names, refined_images=images)
            ranks, similarities = stack.rerank(self.queries, self.descriptors, config, search)
            self.assertEqual((ranks.shape, similarities.shape), ((6, 12), (6, 12)))
        expected, _ = self.rerank("neighbor_refinement", refined_images=20)
        np.testing.assert_array_equal(ranks, expected[:, :12])  # all that are compared again were found

    def test_no_image_is_reached(self):  # the walk starts nowhere: the order stays
        config = SearchConfig(rerankers="diffusion")
        ranks, _ = stack.rerank(-np.eye(3, dtype=np.float32)[:1], np.eye(3, dtype=np.float32), config)
        np.testing.assert_array_equal(ranks, [[1, 2, 0]])


class RerankerSettingsTest(unittest.TestCase):
    def test_names_of_the_config(self):
        self.assertEqual(SearchConfig().reranker_names, ())
        self.assertEqual(SearchConfig(rerankers="dba, alpha_qe").reranker_names, ("dba", "alpha_qe"))

    def test_refuses_other_names(self):
        for names, rule in (("magic", ""), ("alpha_qe,", ""), ("alpha_qe,dba", ".*dba first")):
            with self.assertRaisesRegex(ValueError, "`rerankers` must be names among alpha_qe, dba, "
                                        f"diffusion.*between them{rule}.*Received: rerankers='{names}'"):
                SearchConfig(rerankers=names)

    def test_refuses_constants_out_of_range(self):
        for name, value, rule in (("qe_neighbors", 0, "must be positive"),
                                  ("refined_beta", -0.1, "must not be negative"),
                                  ("diffusion_alpha", 1.0, r"must be in \[0, 1\)")):
            with self.assertRaisesRegex(ValueError, f"`{name}` {rule}. Received: {name}={value}"):
                SearchConfig(**{name: value})


if __name__ == "__main__":
    unittest.main()
