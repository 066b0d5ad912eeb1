"""delg.geometry.verdict: numbers in, probability and word out; files that are no verdict."""

import os
import tempfile
import unittest

import numpy as np

from data_prep.stage import files
from delg.geometry import verdict
from delg.geometry.verdict import COLUMNS

_CONTENT = {"weights": {**dict.fromkeys(verdict.INPUTS, 0.0), "inliers": 1.0}, "bias": np.log(1.5),
            "same": 0.89, "unsure": 0.49, "fitted_on": {}}


def evidence_of(**values):
    return [{**dict.fromkeys(COLUMNS, 0.0), **values}[name] for name in COLUMNS]


class VerdictTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.directory = folder.name
        self.path = os.path.join(self.directory, "verdict.json")

    def load(self, **changed):
        files.write_json(self.path, {**_CONTENT, **changed})
        verdict.load_verdict.cache_clear()
        return verdict.load_verdict(self.path)

    def test_probabilities_and_words_by_hand(self):  # odds max(1, (1 + inliers) / 15) * 1.5
        said, words = self.load().judge([evidence_of(inliers=count) for count in (0, 14, 89, 149)])
        np.testing.assert_allclose(said, [3 / 5, 3 / 5, 9 / 10, 15 / 16])
        self.assertEqual(words, ["unsure", "unsure", "same", "same"])
        self.assertEqual(self.load(unsure=0.7).judge([evidence_of()])[1], ["only alike"])
        self.assertEqual(len(self.load().judge(np.empty((0, len(COLUMNS))))[0]), 0)

    def test_the_word_for_a_query(self):
        self.assertEqual(verdict.query_word(["only alike", "same", "unsure"]), "same")
        self.assertEqual(verdict.query_word(["only alike", "unsure"]), "unsure")
        for nothing in (["only alike"], []):
            self.assertEqual(verdict.query_word(nothing), "not in this collection")

    def test_evidence_of_a_pair(self):
        np.testing.assert_array_equal(verdict.pair_evidence(0.5, 4, 3, 1, 0.02), [0.5, 4, 3, 1, 0.02])

    def test_inputs_by_hand(self):
        found = verdict.inputs_of([[0.8, 29, 58, 14.5, 0.002], [0.5, 3, 0, 0, 0]])
        np.testing.assert_allclose(found, [[0.8, 0.1, np.log(2), 0.5, 0.25, np.log(2)],
                                           [0.5, 0, 0, 1, 0, 0]])

    def test_the_packaged_verdict_tells_a_clear_match_from_chance(self):
        clear, chance, nothing = [0.85, 150, 300, 100, 0.05], [0.3, 6, 200, 5, 0.001], [0.3, 0, 200, 0, 0]
        for has_local in (False, True):
            model = verdict.verdict_for(has_local)
            self.assertEqual(model.takes_local, has_local)
            said, words = model.judge([clear, chance, nothing])
            self.assertEqual(words, ["same", "only alike", "only alike"])
            self.assertGreater(said[0], 0.99)
            self.assertLess(said[1:].max(), 0.1)

    def test_more_evidence_never_counts_against(self):
        start, step = np.array([0.2, 10, 100, 8, 0]), np.array([0.1, 8, 0, 4, 0.01])
        said = verdict.verdict_for(has_local=False).probabilities(start + np.outer(range(8), step))
        self.assertTrue(np.all(np.diff(said) >= 0))

    def test_a_model_of_its_own_takes_what_the_search_knows(self):
        weights = {**_CONTENT["weights"], "local": 1.0}
        self.assertTrue(self.load(weights=weights).takes_local)
        self.assertEqual(verdict.verdict_for(True, self.path).weights[-1], 1)
        with self.assertRaisesRegex(ValueError, "fitted on a search like this one, without an index of local "
                                                "features. Received: .*verdict.json"):
            verdict.verdict_for(False, self.path)
        del weights["local"]  # as written before there was this evidence
        self.assertFalse(self.load(weights=weights).takes_local)

    def test_refuses_evidence_of_another_shape_or_not_finite(self):
        for wrong in (np.zeros((1, 3)), np.full((1, len(COLUMNS)), np.nan)):
            with self.assertRaisesRegex(ValueError, "`evidence` must be finite, of shape"):
                verdict.verdict_for(has_local=False).judge(wrong)

    def test_refuses_a_file_that_is_no_verdict(self):
        with self.assertRaisesRegex(ValueError, "weights, bias, same, unsure. Received: .*verdict.json"):
            self.load(bias=None)
        for wrong in ({"same": 0.4}, {"weights": {**_CONTENT["weights"], "inliers": -1.0}},
                      {"weights": {**_CONTENT["weights"], "colour": 1.0}}, {"bias": float("nan")}):
            with self.assertRaisesRegex(ValueError, "weights of similarity, .* alone, none below 0"):
                self.load(**wrong)
        with self.assertRaisesRegex(ValueError, "verdict.json"):
            self.load(colour=1)
        with self.assertRaises(FileNotFoundError):
            verdict.load_verdict(os.path.join(self.directory, "none.json"))


if __name__ == "__main__":
    unittest.main()
