"""delg.search.grouping: components, bridges and medoids by hand, and the pairs of a tiny set of features."""

import pathlib
import shutil
import tempfile
import unittest
from unittest import mock

import numpy as np

from delg.features.reader import FeatureReader
from delg.geometry import pairs
from delg.geometry.verdict import INPUTS, VerdictModel
from delg.index import building
from delg.search import grouping
from delg.settings.search import SearchConfig
from tests.fixtures import planar_world


def pairs_of(**edges):
    """SamePairs of edges named like a0_1=0.95."""
    rows = np.array([name[1:].split("_") for name in edges], np.int64).reshape(-1, 2)
    return grouping.SamePairs(rows, np.array(list(edges.values())), np.zeros(len(rows)))


class ComponentsTest(unittest.TestCase):
    def test_groups_are_numbered_by_their_first_image(self):
        found = grouping.components(5, pairs_of(a1_4=0.95, a2_3=0.95))
        np.testing.assert_array_equal(found, [0, 1, 2, 2, 1])
        np.testing.assert_array_equal(grouping.components(2, pairs_of()), [0, 1])

    def test_a_bridge_between_groups_holds_only_if_it_is_certain(self):
        triangles = dict.fromkeys(("a0_1", "a0_2", "a1_2", "a3_4", "a3_5", "a4_5"), 0.95)
        found = grouping.components(6, pairs_of(**triangles, a2_3=0.95))
        np.testing.assert_array_equal(found, [0, 0, 0, 1, 1, 1])
        found = grouping.components(6, pairs_of(**triangles, a2_3=0.995))
        np.testing.assert_array_equal(found, np.zeros(6))

    def test_two_edges_between_groups_are_no_bridge(self):
        found = grouping.components(4, pairs_of(a0_1=0.95, a2_3=0.95, a0_2=0.95, a1_3=0.95))
        np.testing.assert_array_equal(found, np.zeros(4))

    def test_an_image_at_the_end_of_a_chain_stays(self):
        np.testing.assert_array_equal(grouping.components(3, pairs_of(a0_1=0.95, a1_2=0.95)), np.zeros(3))

    def test_medoids_are_most_like_their_group(self):
        angles = np.array([0.0, 0.3, 0.7, 2.0])
        descriptors = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        np.testing.assert_array_equal(grouping.medoids(np.array([0, 0, 0, 1]), descriptors), [1, 3])


class SamePairsTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.positives = planar_world.write_world(self.folder)
        self.model = VerdictModel(np.eye(len(INPUTS))[INPUTS.index("inliers")] * 20, -10.0, 0.9, 0.5)

    def test_pairs_of_one_scene_and_no_others(self):
        building.build_index(str(self.folder / "*.h5"), str(self.folder / "all"))
        with FeatureReader(str(self.folder / "*.h5")) as images:
            found = grouping.same_pairs(images, building.load_index(str(self.folder / "all")), self.model,
                                        SearchConfig(num_neighbors=20))
            names = {tuple(images.ids[row] for row in rows) for rows in found.rows}
        self.assertGreaterEqual(found.probabilities.min(), 0.9)
        scene = {f"q{query}": query for query in range(3)}
        scene.update({f"i{row}": query for query, rows in enumerate(self.positives) for row in rows})
        self.assertGreaterEqual(len(names), sum(map(len, self.positives)))
        for one, other in names:
            self.assertEqual(scene.get(one), scene.get(other), (one, other))

    def test_what_no_inliers_would_make_the_same_is_not_verified(self):
        building.build_index(str(self.folder / "*.h5"), str(self.folder / "all"))
        for bias, is_verified in ((-10.0, True), (-1e4, False)):
            model = VerdictModel(self.model.weights, bias, 0.9, 0.5)
            with FeatureReader(str(self.folder / "*.h5")) as images, \
                    mock.patch.object(grouping, "verify_pair", side_effect=pairs.verify_pair) as verified:
                found = grouping.same_pairs(images, building.load_index(str(self.folder / "all")), model,
                                            SearchConfig())
            self.assertEqual((verified.called, len(found.rows) > 0), (is_verified, is_verified))

    def test_refuses_an_index_of_other_images(self):
        building.build_index(str(self.folder / "index-*.h5"), str(self.folder / "some"))
        with FeatureReader(str(self.folder / "*.h5")) as images, \
                self.assertRaisesRegex(ValueError, "of the features, in their order. Received: 12 and 15"):
            grouping.same_pairs(images, building.load_index(str(self.folder / "some")), self.model,
                                SearchConfig())


if __name__ == "__main__":
    unittest.main()
