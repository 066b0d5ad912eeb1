"""hashing.scores.pictures: which queries are drawn, and what is said of their hits."""

import os
import tempfile
import unittest

import numpy as np

from hashing.codes import code_shards, codes
from hashing.scores import pictures
from tests.fixtures import scripts, tiny_search
from tests.fixtures.html_page import HtmlPage


def _images(rows, labels, prefix):
    bits = np.array([[int(bit) for bit in row.ljust(8, "0")] for row in rows], np.uint8)
    return code_shards.EncodedImages(
        [f"{prefix}{number}" for number in range(len(rows))], np.array(labels, np.int32), codes.pack(bits),
        bits.astype(np.float32) - 0.5, np.zeros((len(rows), 0)), {"fingerprint": "f", "code_size": 8})


class DrawQueriesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.queries = _images(["", "1111", "11", "0"], [0, 1, 2, 9], "q")
        cls.index = _images(["", "1111", "11", "111"], [1, 1, 0, 2], "i")
        picture = tiny_search.jpeg(np.full((tiny_search.HEIGHT, tiny_search.WIDTH, 3), 90, np.uint8))
        tiny_search.write_images(folder.name, query=[(name, picture, None) for name in cls.queries.ids],
                                 index=[(name, picture, None) for name in cls.index.ids])
        cls.shards = os.path.join(folder.name, "*-of-*")

    def test_worst_and_best_queries_with_their_nearest_images(self):
        # Average precision: q0 1/2, its image stands second; q1 (1 + 2/4) / 2; q2 1/2; q3 has none.
        (group,) = pictures.draw_queries(self.queries, self.index, self.shards, num_queries=1, num_hits=2)
        self.assertEqual((group["part"], len(group["failures"]), len(group["successes"])), ("seen", 1, 1))
        failure, success = group["failures"][0], group["successes"][0]
        self.assertEqual((failure["id"], success["id"]), ("q0", "q1"))
        self.assertEqual([(hit["id"], hit["distance"], hit["right"], hit["rank"]) for hit in failure["hits"]],
                         [("i0", 0, False, 1), ("i2", 2, True, 2)])
        self.assertEqual([(hit["id"], hit["distance"], hit["right"]) for hit in success["hits"]],
                         [("i1", 0, True), ("i3", 1, False)])
        self.assertAlmostEqual(failure["mAP"], 50)
        self.assertTrue(failure["picture"].startswith("data:image/jpeg;base64,"))

    def test_classes_never_trained_on_are_searched_among_themselves(self):
        groups = pictures.draw_queries(self.queries, self.index, self.shards, num_classes=2)
        self.assertEqual([group["part"] for group in groups], ["seen", "unseen"])
        self.assertEqual([hit["id"] for hit in groups[1]["failures"][0]["hits"]], ["i3"])
        self.assertEqual(groups[1]["successes"], [])

    def test_images_that_are_not_in_the_shards(self):
        with self.assertRaisesRegex(ValueError, "in the shards of `images`.*lacks 1, the first is 'other0'"):
            pictures.draw_queries(_images([""], [0], "other"), self.index, self.shards)

    def test_the_script_draws_them_and_refuses_images_without_a_page(self):
        with tempfile.TemporaryDirectory() as folder:
            for name, images in (("test", self.queries), ("train", self.index)):
                code_shards.write_code_shard(os.path.join(folder, f"{name}-00000-of-00001.h5"), images, {})
            given = {"query_codes": os.path.join(folder, "test-*"), "images": self.shards,
                     "index_codes": os.path.join(folder, "train-*"), "output": os.path.join(folder, "m.json")}
            done = scripts.run("hashing.evaluate", **given, report_dir=os.path.join(folder, "report"))
            self.assertEqual(done.returncode, 0, done.stderr)
            with open(os.path.join(folder, "report", "index.html"), encoding="utf-8") as file:
                page = HtmlPage(file.read())
            self.assertIn("i2, rank 2, the query's class, 2 bits away",
                          [picture["alt"] for picture in page.find("img")])
            done = scripts.run("hashing.evaluate", **given)
            self.assertEqual(done.returncode, 1)
            self.assertIn("`images` goes with `report_dir`. Received: images=", done.stderr)


if __name__ == "__main__":
    unittest.main()
