"""delg.index.admission: images enter once, and with the facts of the others."""

import unittest

from delg.index.admission import Admission, settings_without


class AdmissionTest(unittest.TestCase):
    def test_first_facts_count_for_all(self):
        admission = Admission(["a"])
        admission.admit([], dimension=3)
        admission.admit(["b", "c"], dimension=8)
        self.assertEqual((admission.ids, admission.facts), (["a", "b", "c"], {"dimension": 8}))
        with self.assertRaisesRegex(ValueError, "the dimension of.*: 9 from image 'd' on, 8 before"):
            admission.admit(["d"], dimension=9)
        for twice in (["a"], ["e", "e"]):
            with self.assertRaisesRegex(ValueError, f"unique in an index. Received: '{twice[0]}' more than"):
                admission.admit(twice, dimension=8)
        self.assertEqual(admission.ids, ["a", "b", "c"])

    def test_settings_as_json_gives_them_back(self):
        self.assertEqual(settings_without({"scales": (1.0, 2.0), "dtype": "float16"}, ["dtype"]),
                         {"scales": [1.0, 2.0]})


if __name__ == "__main__":
    unittest.main()
