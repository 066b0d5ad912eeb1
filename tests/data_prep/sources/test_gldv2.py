"""Tables of Google Landmarks v2 are read as published, and refused with the name of what is wrong."""

import unittest

from data_prep.sources import gldv2_evaluation, gldv2_training
from delg.scores.gldv2 import scores as gldv2_scores
from tests.fixtures.temporary_files import FilesTest


class GLDv2Test(FilesTest):
    ALL = "id,url,landmark_id\nabc1,u,5\nabc2,u,9\nabc3,u,9\nabc4,u,2\n"

    CLEAN = "landmark_id,images\n9,abc3 abc2\n5,abc1\n"

    def read(self, train="", clean="", exclude=""):
        return gldv2_training.read_images(self.write("train.csv", train) if train else "",
                                 self.write("clean.csv", clean) if clean else "",
                                 self.write("exclude.csv", exclude) if exclude else "")

    def test_all_images(self):
        images = self.read(self.ALL)
        self.assertEqual(images.ids, ["abc1", "abc2", "abc3", "abc4"])
        self.assertEqual(images.landmarks.tolist(), [5, 9, 9, 2])
        self.assertEqual(images.path_of("abc1"), "a/b/c/abc1.jpg")

    def test_clean_images(self):
        for train in (self.ALL, ""):
            images = self.read(train, "landmark_id,images\n9,abc3 abc2\n5,abc1\n")
            self.assertEqual((images.ids, images.landmarks.tolist()), (["abc3", "abc2", "abc1"], [9, 9, 5]))

    def test_refuses_tables_that_contradict_each_other(self):
        with self.assertRaisesRegex(ValueError, "clean.csv must agree with .*train.csv. Received: "
                                                "image abc1 of landmark 9, against landmark 5"):
            self.read(self.ALL, "landmark_id,images\n9,abc1\n")
        with self.assertRaisesRegex(ValueError, "image abc8 of landmark 9, against landmark None"):
            self.read(self.ALL, "landmark_id,images\n9,abc8\n")

    def test_refuses_ids_that_lead_elsewhere(self):
        with self.assertRaisesRegex(ValueError, "three letters or digits or more. Received: '../../x'"):
            self.read("id,landmark_id\n../../x,1\n")

    def test_refuses_an_id_listed_twice(self):
        with self.assertRaisesRegex(ValueError, "train.csv must be unique. Received: 'abc1' twice"):
            self.read("id,landmark_id\nabc2,1\nabc1,1\nabc1,2\n")

    def test_refuses_no_table(self):
        with self.assertRaisesRegex(ValueError, "needs `train_csv` or `train_clean_csv`. Received: neither"):
            self.read()

    def test_refuses_an_empty_clean_list(self):
        with self.assertRaisesRegex(ValueError, "clean.csv must list at least one image"):
            self.read(clean="landmark_id,images\n9,\n")

    def test_excluded_images_and_landmarks(self):
        for exclude, left in (("id\nabc3\nabc1\n", ["abc2", "abc4"]), ("landmark_id\n9\n", ["abc1", "abc4"]),
                              ("id,landmark_id\nabc2,9\n,5\n", ["abc3", "abc4"]),  # abc3 is of 9, and stays
                              ("url,landmark_id\nx,2\n", ["abc1", "abc2", "abc3"]),
                              ("abc2\n\n5\r\n", ["abc3", "abc4"])):
            with self.subTest(exclude):
                images = self.read(self.ALL, exclude=exclude)
                self.assertEqual(images.ids, left)
                landmark_of = {"abc1": 5, "abc2": 9, "abc3": 9, "abc4": 2}
                self.assertEqual(images.landmarks.tolist(), [landmark_of[image_id] for image_id in left])

    def test_a_number_is_an_image_before_it_is_a_landmark(self):
        images = self.read("id,landmark_id\n555,7\n777,555\nabc,8\n", exclude="555\n")
        self.assertEqual(images.ids, ["777", "abc"])

    def test_excluded_from_the_clean_images(self):
        self.assertEqual(self.read(self.ALL, self.CLEAN, "id\nabc4\nabc1\n").ids, ["abc3", "abc2"])
        with self.assertLogs("absl", "WARNING") as logs:  # the list was made for the whole set
            self.assertEqual(self.read("", self.CLEAN, "id\nabc4\nabc1\n").ids, ["abc3", "abc2"])
        self.assertRegex(logs.output[0], "1 of the 2 entries of .*exclude.csv name nothing in the tables")

    def test_refuses_exclusions_that_name_nothing(self):
        for exclude, odd in (("id\nabc1\nabc9\n", "'abc9'"), ("abc1\n77\n", "'77'"),
                             ("landmark_id\n77\n", "'77'"), ("landmark_id\n" + "9" * 18, "'999")):
            with self.subTest(exclude), self.assertRaisesRegex(
                    ValueError, f"exclude.csv must list images or landmarks .* Received: {odd}.*, which"):
                self.read(self.ALL, exclude=exclude)
        with self.assertRaisesRegex(ValueError, "'abc9' in line 2, which is neither"):  # not one entry fits
            self.read("", self.CLEAN, "id\nabc9\n")

    def test_refuses_exclusions_of_another_form(self):
        for exclude, message in (
                ("id,landmark_id\nabc1,9\n", "must agree .* image abc1 of landmark 9, against landmark 5"),
                ("landmark_id\nnine\n", "landmark_id in .*exclude.csv, line 2, must be whole .*: 'nine'"),
                ("abc1,5\n", "must have one id a line, or a header .* Received: 'abc1,5'"),
                ("abc1 abc2\n", "must have one id a line"), ("\n \n", "must list at least one image or land"),
                (b"abc1\n\xff\n", "must be UTF-8 text"),
                ("landmark_id\n9\n5\n2\n", "must leave an image to train on. Received: a list of all 4")):
            with self.subTest(message), self.assertRaisesRegex(ValueError, message):
                self.read(self.ALL, exclude=exclude)

    def test_refuses_short_and_odd_ids(self):
        for odd in ("ab", "ab/c", "abcé", "ab c"):
            with self.subTest(odd), self.assertRaisesRegex(ValueError, f"digits or more. Received: '{odd}'"):
                self.read(f"id,landmark_id\nabc1,1\n{odd},1\n")


class GLDv2EvaluationTest(FilesTest):
    INDEX = "id\nidx1\nidx2\nidx3\n"
    TEST = "id\ntst1\ntst2\ntst3\n"
    RECOGNITION = "id,landmarks,Usage\ntst1,7 8,Private\ntst2,,Public\ntst3,9,Ignored\n"
    RETRIEVAL = "id,images,Usage\ntst1,idx2 idx1,Private\ntst2,None,Ignored\ntst3,idx3,Public\n"

    def read_index(self, labels=""):
        return gldv2_evaluation.read_index(self.write("index.csv", self.INDEX),
                                           self.write("labels.csv", labels) if labels else "")

    def read_test(self, recognition="", retrieval="", index=""):
        tables = {"recognition.csv": recognition, "retrieval.csv": retrieval, "index.csv": index}
        return gldv2_evaluation.read_test(self.write("test.csv", self.TEST), *(
            self.write(name, content) if content else "" for name, content in tables.items()))

    def test_index_without_and_with_labels(self):
        [split] = self.read_index().splits
        self.assertEqual((split.name, split.ids, split.landmarks), ("index", ["idx1", "idx2", "idx3"], None))
        collection = self.read_index("id,landmark_id\nidx3,5\nidx1,6\nidx2,5\nother,8\n")
        self.assertEqual(collection.splits[0].landmarks.tolist(), [6, 5, 5])
        self.assertEqual(collection.path_of("idx1"), "i/d/x/idx1.jpg")

    def test_solutions_become_ground_truth(self):
        collection = self.read_test(self.RECOGNITION, self.RETRIEVAL, self.INDEX)
        [split] = collection.splits
        self.assertEqual((split.name, split.ids, split.landmarks), ("test", ["tst1", "tst2", "tst3"], None))
        self.assertEqual(collection.ground_truth, {
            "recognition": {"Public": {"tst2": []}, "Private": {"tst1": [7, 8]}},
            "retrieval": {"Public": {"tst3": ["idx3"]}, "Private": {"tst1": ["idx2", "idx1"]}}})
        self.assertIsNone(self.read_test().ground_truth)

    def test_solutions_as_spreadsheets_write_them(self):  # as delg.evaluate reads them
        written = "\ufeffid;Landmarks;Usage\r\ntst1;7.0 8;Private\r\n\r\ntst2; ;Public\r\ntst3;9;Ignored\r\n"
        self.assertEqual(self.read_test(written).ground_truth, self.read_test(self.RECOGNITION).ground_truth)

    def test_ground_truth_is_what_the_evaluation_reads(self):
        truth = self.read_test(self.RECOGNITION, self.RETRIEVAL).ground_truth
        rows = [f"{image_id},{landmarks[0]} 1" for part in truth["recognition"].values()
                for image_id, landmarks in part.items() if landmarks]
        scores = gldv2_scores.score_predictions(self.path("recognition.csv"),
                                                self.write("p.csv", "\n".join(["id,landmarks", *rows])))
        self.assertEqual(set(scores), set(truth["recognition"]))
        self.assertEqual(scores["Private"]["top-1 accuracy"], 100)
        rows = [f"{image_id},{' '.join(images)}" for part in truth["retrieval"].values()
                for image_id, images in part.items()]
        scores = gldv2_scores.score_predictions(self.path("retrieval.csv"),
                                                self.write("p.csv", "\n".join(["id,images", *rows])))
        self.assertEqual([scores[part]["mAP@100"] for part in truth["retrieval"]], [100, 100])

    def test_refuses_an_index_image_without_label(self):
        with self.assertRaisesRegex(ValueError, "labels.csv must have a landmark for every image of .*csv. "
                                                "Received: none for 'idx2'"):
            self.read_index("id,landmark_id\nidx1,6\nidx3,6\n")

    def test_refuses_labels_listed_twice(self):
        with self.assertRaisesRegex(ValueError, "labels.csv must be unique. Received: 'idx1' twice"):
            self.read_index("id,landmark_id\nidx1,6\nidx1,7\n")

    def test_refuses_solutions_that_do_not_fit(self):
        for changed, message in (
                ({"recognition": "id,landmarks\ntst1,7\n"}, "must have the columns `id`, `Usage` and"),
                ({"recognition": "id,images,Usage\ntst1,7,Public\n"}, "must be a recognition solution"),
                ({"recognition": "id,landmarks,Usage\n"}, "must have at least one row. Received: none"),
                ({"recognition": "id,landmarks,Usage\ntst1,7,Secret\n"}, "must be Public, .* 'Secret'"),
                ({"recognition": "id,landmarks,Usage\ntst1,x,Public\n"},
                 "recognition.csv, line 2, must be whole numbers. Received: 'x'"),
                ({"recognition": "id,landmarks,Usage\ntst8,7,Public\n"},
                 "Every image of .*recognition.csv must be in .*test.csv. Received: 'tst8'"),
                ({"recognition": "id,landmarks,Usage\ntst1,7,Public\ntst1,7,Public\n"},
                 "must occur once. Received: 'tst1' in lines 2 and 3"),
                ({"retrieval": "id,images,Usage\ntst1,idx9,Public\n", "index": self.INDEX},
                 "`images` of tst1 in .*retrieval.csv must be in .*index.csv. Received: 'idx9'")):
            with self.subTest(message), self.assertRaisesRegex(ValueError, message):
                self.read_test(**changed)


if __name__ == "__main__":
    unittest.main()
