import json
import os
import tempfile
import unittest

import numpy as np

from hashing.codes import code_shards, codes
from hashing.scores import evaluation, report


def _images(rows, labels, prefix="i", features=None, fingerprint="f"):
    """Codes of 8 bits from the first bits given; values are the bits as -0.5 and 0.5."""
    bits = np.zeros((len(rows), 8), np.uint8)
    for place, row in enumerate(rows):
        bits[place, :len(row)] = [int(bit) for bit in row]
    return code_shards.EncodedImages(
        [f"{prefix}{number}" for number in range(len(rows))], np.array(labels, np.int32), codes.pack(bits),
        bits.astype(np.float32) - 0.5, np.zeros((len(rows), 0)) if features is None else np.array(features),
        {"fingerprint": fingerprint, "code_size": 8})


class EvaluateTest(unittest.TestCase):
    def test_by_hand(self):
        # Distances from the query: 0 (relevant), then 1 (one relevant of two), then 3 and 8 bits.
        index = _images(["1", "11", "101", "1111", "01111111"], [0, 0, 1, 1, 1])
        found = evaluation.evaluate(_images(["1"], [0], "q"), index)
        # First 1/1; of the tie the relevant one is second, 2/2, or third, 2/3: (1 + (1 + 2/3) / 2) / 2.
        self.assertAlmostEqual(found["mAP"], 100 * (1 + 5 / 6) / 2)
        self.assertAlmostEqual(found["mAP_interval"][0], found["mAP"])
        self.assertAlmostEqual(found["mAP@1"], 100)
        self.assertAlmostEqual(found["precision_within_2"], 100 * 2 / 3)
        self.assertEqual(found["curve"]["recall"][:2], [0.5, 1.0])
        self.assertAlmostEqual(found["curve"]["precision"][1], 2 / 3)
        self.assertEqual((found["num_queries"], found["num_index"], found["code_size"]), (1, 5, 8))
        self.assertNotIn("unseen", found)

    def test_real_values_are_ranked_by_cosine(self):
        index = _images(["1", "0", "1"], [0, 1, 1], features=[[2, 0], [0.1, 0], [0, 1]])
        found = evaluation.evaluate(_images(["1"], [0], "q", features=[[1, 0.1]]), index)
        self.assertAlmostEqual(found["features"]["mAP"], 100)  # a tie with image 1, in the order of the index
        self.assertAlmostEqual(found["real_valued"]["mAP"], 100)

    def test_surer_bits_of_the_query_count_more_against_bits(self):
        index = _images(["11", "0"], [0, 1])  # of each one bit differs from the query's
        query = _images(["1"], [1], "q")
        for first, second, expected in ((0.1, -1, 100), (1, -0.1, 50)):
            query.values[0, :2] = first, second
            self.assertAlmostEqual(evaluation.evaluate(query, index)["asymmetric"]["mAP"], expected)

    def test_unseen_classes_are_scored_among_themselves(self):
        index = _images(["1", "0", "1", "0"], [0, 1, 2, 3])
        found = evaluation.evaluate(_images(["1", "0", "0"], [0, 3, 1], "q"), index, num_classes=2)
        self.assertAlmostEqual(found["mAP"], 100)  # among classes 0 and 1 all are right
        self.assertAlmostEqual(found["unseen"]["mAP"], 100)
        self.assertEqual((found["num_index"], found["unseen"]["num_index"]), (2, 2))
        for part in (found, found["unseen"]):  # in all, each query ties with one of another class
            self.assertAlmostEqual(part["mAP_in_all"], 75)
            self.assertAlmostEqual(part["mAP_in_all_interval"][0], 75)
        mixed = evaluation.evaluate(_images(["1", "0", "0"], [0, 3, 1], "q"), index)
        self.assertAlmostEqual(mixed["mAP"], 75)  # each query ties with one of another class

    def test_blocks_of_queries_change_nothing(self):
        generator = np.random.default_rng(0)
        rows = generator.integers(0, 2, (300, 8))
        images = _images(rows, generator.integers(0, 3, 300))
        whole = evaluation.evaluate(images, images)
        parts = [evaluation.evaluate(images.take(np.arange(start, min(start + 100, 300))), images)["mAP"]
                 for start in (0, 100, 200)]
        self.assertAlmostEqual(whole["mAP"], np.mean(parts))

    def test_use_of_bits_by_hand(self):
        bits = np.array([[1, 1, 0], [1, 0, 1], [1, 1, 0], [1, 0, 1]], np.uint8)
        self.assertEqual(evaluation.describe_codes(bits), {
            "entropy": 2 / 3, "least_entropy": 0.0, "correlation": 1.0, "collisions": 1.0})

    def test_a_query_without_relevant_images_gives_null(self):
        found = evaluation.evaluate(_images(["1"], [5], "q"), _images(["1"], [0]))
        self.assertIsNone(found["mAP"])
        json.dumps(found, allow_nan=False)

    def test_refusals(self):
        one = _images(["1"], [0])
        for message, call in (
                ("`fingerprint` differs. Received: queries='g', index='f'",
                 lambda: evaluation.evaluate(_images(["1"], [0], fingerprint="g"), one)),
                ("Images of index must have labels .*Received: without label=1, such as=\\['i0'\\]",
                 lambda: evaluation.evaluate(one, _images(["1"], [-1]))),
                ("images of classes below `num_classes`. Received: num_classes=1, queries=0, index=1",
                 lambda: evaluation.evaluate(_images(["1"], [1]), one, num_classes=1)),
                ("There must be images to evaluate. Received: queries=0",
                 lambda: evaluation.evaluate(one.take(np.zeros(0, int)), one))):
            with self.subTest(message), self.assertRaisesRegex(ValueError, message):
                call()


class ReportTest(unittest.TestCase):
    def test_page_needs_no_other_file_and_names_every_method(self):
        index = _images(["1", "11", "0", "01"], [0, 0, 1, 2])
        scores = evaluation.evaluate(_images(["1", "01"], [0, 2], "q"), index, num_classes=2)
        with tempfile.TemporaryDirectory() as folder:
            page = report.make_report({"best": {8: {**scores, "seconds": 12.0}}, "itq": {8: scores}}, folder,
                                      title="A <title>", settings={"seed": 3}, warnings=["Too <good>."])
            with open(page, encoding="utf-8") as file:
                html = file.read()
            self.assertEqual(sorted(os.listdir(folder)),
                             [".lock", "index.html", "map.png", "precision_recall.png"])
        self.assertIn("By 8 bits best reaches a mAP of 91.7 % (91.7 to 91.7) for 1 query in an index of 3 "
                      "images; the real values that became bits reach ", html)
        for expected in ("A &lt;title&gt;", "Too &lt;good&gt;.", "best", "itq", "Classes never trained on",
                         "<td>seed</td><td>3", "<svg "):
            self.assertIn(expected, html)
        self.assertNotRegex(html, r'(src|href)="(?!data:|#)')


if __name__ == "__main__":
    unittest.main()
