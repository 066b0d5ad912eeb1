"""Tests of vae.weighting.triplets."""

import unittest

import numpy as np

from vae.data.photographs import Photographs
from vae.weighting.triplets import TripletSampler


def _photographs(places, nights, pairs):
    count = len(places)
    return Photographs([str(row) for row in range(count)], np.zeros((count, 4, 4, 3), np.uint8),
                       np.array(nights, bool), np.array(places), list(pairs))


class TripletSamplerTest(unittest.TestCase):
    def test_positives_are_the_view_by_the_other_light_and_negatives_another_place(self):
        photographs = _photographs([0, 0, 0, 0, 1, 1], [0, 1, 0, 1, 0, 1], ["a", "a", "b", "b", "", ""])
        rows = TripletSampler(photographs, np.eye(6), 2, seed=0).draw(0, 300)
        partner = {0: 1, 1: 0, 2: 3, 3: 2, 4: 5, 5: 4}
        self.assertEqual(set(rows[:, 0]), set(partner))
        for anchor, positive, negative in rows:
            self.assertEqual(positive, partner[anchor])
            self.assertNotEqual(photographs.places[anchor], photographs.places[negative])

    def test_without_a_known_pair_any_view_of_the_place_serves(self):
        photographs = _photographs([0, 0, 0, 1], [0, 1, 1, 0], ["", "", "", ""])
        rows = TripletSampler(photographs, np.eye(4), 2, seed=0).draw(0, 100)
        self.assertEqual({(anchor, positive) for anchor, positive, _ in rows},
                         {(0, 1), (0, 2), (1, 0), (2, 0)})  # place 1 is in one domain only: no anchor

    def test_half_of_the_negatives_are_the_nearest_of_other_places(self):
        places = np.repeat(np.arange(51), 2)
        photographs = _photographs(places, np.arange(102) % 2, [str(place) for place in places])
        similarities = np.zeros((102, 102))
        similarities[:, 40] = 1.0
        rows = TripletSampler(photographs, similarities, 1, seed=0).draw(0, 2000)
        rows = rows[photographs.places[rows[:, 0]] != 20]
        self.assertAlmostEqual((rows[:, 2] == 40).mean(), 0.5 + 0.5 / 100, delta=0.05)

    def test_a_step_gives_the_same_triplets_whatever_came_before(self):
        photographs = _photographs([0, 0, 1, 1], [0, 1, 0, 1], ["a", "a", "b", "b"])
        first, second = (TripletSampler(photographs, np.eye(4), 2, seed=3) for _ in range(2))
        first.draw(0, 5)
        np.testing.assert_array_equal(first.draw(1, 5), second.draw(1, 5))
        self.assertFalse(np.array_equal(first.draw(1, 50), first.draw(2, 50)))

    def test_refuses_photographs_without_a_triplet(self):
        with self.assertRaisesRegex(ValueError, "another place. Received: 2 images of 1 places"):
            TripletSampler(_photographs([0, 0], [0, 1], ["", ""]), np.eye(2), 2, seed=0)


if __name__ == "__main__":
    unittest.main()
