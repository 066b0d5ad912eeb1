"""What only all shards together show is found, and a good dataset is let through."""

import os
import unittest
from unittest import mock

import numpy as np

from data_prep.checking import shard_check, validation
from data_prep.stage import files, jobs
from tests.fixtures.datasets import DatasetTest, encode

_RUN = jobs.run


class GoodTest(DatasetTest):
    def test_nothing_is_wrong(self):
        self.write()
        report = validation.validate(self.folder)
        self.assertEqual((report.problems, report.counts), ((), {}))
        self.assertEqual((report.num_images, report.num_shards, report.bad_shards()), (11, 4, []))
        self.assertEqual(report.num_bytes, sum(os.path.getsize(self.path(name))
                                               for name in os.listdir(self.folder) if "-of-" in name))
        self.assertEqual(report.as_json()["num_problems"], 0)

    def test_a_job_of_beam_finds_the_same(self):
        self.write()
        self.change("train-00000-of-00002", 100, b"\0\0\0\0\0")
        here = self.problems()
        self.assertEqual(len(here), 2)
        with mock.patch.object(jobs, "run", _RUN):
            self.assertEqual(self.problems(), here)

    def test_refuses_a_folder_without_dataset_json(self):
        with self.assertRaisesRegex(FileNotFoundError, "dataset.json does not exist"):
            validation.validate(self.folder)


class ReportTest(DatasetTest):
    def test_one_line_if_nothing_is_wrong(self):
        self.write()
        line, = validation.validate(self.folder).lines(max_lines=2)
        self.assertRegex(line, rf"^Nothing is wrong in {self.folder}: 11 images in 4 shards, 0.0 MB, "
                               r"\d+.\d s, [\d,]+ images/s\.$")

    def test_problems_are_grouped_and_counted(self):
        self.examples["train"][0] = [encode(f"t{row}", 5 + row) for row in range(3)]
        self.write()
        os.remove(self.path("query-00000-of-00001"))
        report = validation.validate(self.folder)
        lines = report.lines(max_lines=2)
        start = lines.index("bad label: 3")
        self.assertEqual(lines[start + 1], "  train-00000-of-00002 record 0 at byte 0 (t0): "
                                           "label 5 must be in [0, 3)")
        self.assertEqual(lines[start + 3], "  ... and 1 more")
        self.assertIn("  query-00000-of-00001: the file does not exist", lines)
        self.assertRegex(lines[-1], f"^7 problems in {self.folder}: 9 images in 4 shards")
        kinds = report.as_json()["kinds"]
        self.assertEqual(kinds["bad label"]["problems"][2]["id"], "t2")
        self.assertEqual(kinds["missing shard"], {"count": 1, "problems": [
            {"shard": "query-00000-of-00001", "record": None, "byte": None, "id": None,
             "text": "the file does not exist"}]})


class SetTest(DatasetTest):
    def test_an_id_used_twice_in_two_shards(self):
        self.examples["train"][1][2] = encode("t1", 2)
        self.write()
        offset = self.offsets("train-00001-of-00002")[2] - 12
        self.assertEqual(self.problems(), {"duplicate id": [
            f"train-00001-of-00002 record 2 at byte {offset} (t1): also in train-00000-of-00002 record 1"]})

    def test_ids_of_one_hash_are_not_taken_for_one(self):
        self.write()
        with mock.patch.object(shard_check, "hash_ids", lambda ids: np.array([7 for _ in ids], np.uint64)):
            self.assertNotIn("duplicate id", self.problems())

    def test_more_duplicates_than_are_looked_up_are_counted(self):
        self.examples["train"][1] = self.examples["train"][0]
        self.write()
        with mock.patch.object(validation, "_MAX_CONFIRMED", 1):
            report = validation.validate(self.folder)
        self.assertEqual(report.counts, {"duplicate id": 3})
        self.assertEqual(len(report.problems), 1)

    def test_the_same_id_in_two_splits_is_fine(self):
        self.examples["train"][1][2] = encode("i1", 2)
        self.write()
        self.assertEqual(self.problems(), {})

    def test_ground_truth_and_images_that_lack_each_other(self):
        self.examples["index"][0][1] = encode("other", None)
        self.write()
        offset = self.offsets("index-00000-of-00001")[1] - 12
        self.assertEqual(self.problems(), {"ground truth": [
            "(i1): place 1 of imlist; split 'index' has no such image",
            f"index-00000-of-00001 record 1 at byte {offset} (other): imlist does not name this image"]})

    def test_a_query_that_is_missing(self):
        self.settings["ground_truth"]["qimlist"][1] = "q7"
        self.write()
        self.assertEqual(self.problems()["ground truth"][0],
                         "(q7): place 1 of qimlist; split 'query' has no such image")

    def test_entries_of_the_ground_truth(self):
        truth = self.settings["ground_truth"]
        truth["gnd"][0]["junk"] = [3]
        truth["gnd"][1]["bbx"] = [1, 2, 3]
        self.write()
        self.assertEqual(self.problems()["ground truth"], ["(q0): junk holds place 3, imlist has 3 names",
                                                           "(q1): bbx must be x1, y1, x2, y2. Received: "
                                                           "[1.0, 2.0, 3.0]"])
        del truth["gnd"][0]["hard"], truth["gnd"][1]["bbx"]
        self.write()
        self.assertRegex(self.problems()["ground truth"][0], r"\(q0\): its entry must have easy, hard, junk")
        truth["gnd"] = truth["gnd"][:1]
        self.write()
        self.assertRegex(self.problems()["ground truth"][0], "an entry for each name of qimlist. Received: "
                                                          "1 for 2")
        truth["imlist"] = ["i0", "i1", "i2", "i0"]
        self.write()
        self.assertRegex(self.problems()["ground truth"][0], "imlist has 4 names, 1 of them twice")
        truth["imlist"] = "i0"
        self.write()
        self.assertRegex(self.problems()["ground truth"][0], "imlist must be a list of names")

    def test_solutions_of_gldv2(self):
        self.examples["test"] = [[encode(f"s{row}", None) for row in range(2)]]
        self.settings["left_out"] = ({"image": "s7.jpg", "reason": "missing"},)
        self.settings["ground_truth"] = {
            "recognition": {"Public": {"s0": [4], "s7": []}, "Private": {"s8": [5]}},
            "retrieval": {"Public": {"s1": ["i0", "i9"]}}}
        self.write()
        self.assertEqual(self.problems()["ground truth"],
                         ["(s8): recognition names it; split 'test' has no such image",
                          "(i9): retrieval names it; split 'index' has no such image"])
        self.settings["ground_truth"]["retrieval"] = ["s1"]
        self.write()
        self.assertRegex(self.problems()["ground truth"][1],
                         "retrieval must have lists by usage and test image")

    def test_a_left_out_image_that_is_there(self):
        self.settings["left_out"] = ({"image": "jpg/t4.jpg", "reason": "zero bytes"},
                                     {"image": "t5.jpg", "reason": "duplicate of t5.png"},
                                     {"image": "t9.jpg", "reason": "missing"})
        self.write()
        self.assertRegex("".join(self.problems()["left-out image"]),
                         r"^train-00001-of-00002 record 1 .*\(t4\): it is in the shard, but dataset.json "
                         "lists it as left out: zero bytes$")

    def test_dataset_json_that_contradicts_itself_or_the_shards(self):
        self.settings.update(labels=("x", "y"), num_classes=4)
        self.write(train={"num_examples": 7, "num_classes": 2})
        self.assertEqual(self.problems()["dataset.json"], [
            "split 'train' has 7 examples, its shards have 6",
            "label_range of split 'train' ends at 3, but its table of labels has 2",
            "it has 4 classes to train on, but names 2"])
        self.settings.update(labels=("x", "y", "z", "z"), num_classes=3)
        self.write(train={"num_classes": 2, "label_range": (-1, 3)})
        found = self.problems()
        self.assertEqual(found["wrong count"], ["split 'train' has images of 3 classes, 2 in dataset.json"])
        self.assertEqual(found["dataset.json"], ["its labels name a class twice",
                                                 "label_range of split 'train' is [-1, 3)"])

    def test_shards_that_are_not_numbered_as_they_should_be(self):
        self.write()
        stored = files.read_checked_json(self.path("dataset.json"))
        stored["splits"]["train"]["shards"].pop()
        stored["splits"]["train"]["num_examples"] = 3
        files.write_checked_json(self.path("dataset.json"), stored)
        found = self.problems()
        self.assertEqual(found["dataset.json"], [
            "the shards of split 'train' are not numbered 0 to 0: train-00000-of-00002"])
        self.assertIn("stray file", found)


if __name__ == "__main__":
    unittest.main()
