"""A damaged shard is named by record and byte, and so is a record that is whole and yet wrong."""

import os
import shutil
import unittest
from unittest import mock

import tensorflow as tf

from data_prep.checking import shard_check, validation
from tests.fixtures import photographs
from tests.fixtures.datasets import DatasetTest, encode


class FileTest(DatasetTest):
    def test_a_flipped_bit_is_named_by_record_and_byte_and_the_others_are_read(self):
        self.write()
        name = "train-00000-of-00002"
        start = self.offsets(name)[1]
        with open(self.path(name), "rb") as file:
            content = file.read()
        self.change(name, start + 200, bytes([content[start + 200] ^ 4]))
        found = self.problems()
        self.assertEqual(sorted(found), ["damaged record", "wrong SHA-256"])
        length = self.offsets(name)[2] - start - 16
        self.assertEqual(found["damaged record"], [
            f"{name} record 1 at byte {start - 12}: CRC of its {length} bytes of data does not match"])
        self.assertRegex(found["wrong SHA-256"][0],
                         f"^{name}: [0-9a-f]{{64}}, [0-9a-f]{{64}} in dataset.json$")

    def test_a_flipped_bit_of_a_length_ends_the_shard_but_not_the_walk(self):
        self.write()
        start = self.offsets("train-00000-of-00002")[1] - 12
        self.change("train-00000-of-00002", start + 2, b"\x7f")
        os.remove(self.path("query-00000-of-00001"))
        found = self.problems()
        self.assertEqual(found["damaged record"], [
            f"train-00000-of-00002 record 1 at byte {start}: CRC of its length does not match; "
            "what follows it cannot be read"])
        self.assertEqual(found["missing shard"], ["query-00000-of-00001: the file does not exist"])
        self.assertEqual(len(found["ground truth"]), 2)  # its two queries

    def test_a_cut_shard(self):
        self.write()
        name = "index-00000-of-00001"
        starts, size = self.offsets(name), os.path.getsize(self.path(name))
        os.truncate(self.path(name), size - 100)
        found = self.problems()
        self.assertEqual(found["wrong size"], [f"{name}: {size - 100} bytes, {size} in dataset.json"])
        self.assertRegex(found["damaged record"][0], f"^{name} record 2 at byte {starts[2] - 12}: "
                                                     r"\d+ bytes of data are cut off: \d+ are left$")
        self.assertEqual(found["ground truth"], ["(i2): place 2 of imlist; split 'index' has no such image"])
        os.truncate(self.path(name), starts[2] - 5)
        self.assertRegex(self.problems()["damaged record"][0], "head is cut off after 7 of 12 bytes")

    def test_a_shard_of_too_few_records(self):
        self.write()
        os.truncate(self.path("train-00001-of-00002"), self.offsets("train-00001-of-00002")[2] - 12)
        self.assertEqual(self.problems()["wrong count"],
                         ["train-00001-of-00002: 2 records, 3 in dataset.json"])

    def test_an_unreadable_shard(self):
        self.write()
        os.remove(self.path("train-00001-of-00002"))
        os.mkdir(self.path("train-00001-of-00002"))
        self.assertEqual(self.problems()["unreadable shard"],
                         ["train-00001-of-00002: reading it fails: Is a directory"])

    def test_stray_files(self):
        self.write()
        for name in ("train-00000-of-00009", ".train-00000-of-00002.77.tmp", "train-00000-of-00002.bad"):
            shutil.copy(self.path("train-00000-of-00002"), self.path(name))
        self.assertEqual(self.problems(), {"stray file": [
            ".train-00000-of-00002.77.tmp: temporary file that an interrupted job left",
            "train-00000-of-00002.bad: bad shard that an interrupted repair set aside",
            "train-00000-of-00009: shard that dataset.json does not list, as of a build with another "
            "number of shards"]})

    def test_only_what_was_bad_is_read_again(self):
        self.write()
        name = "train-00000-of-00002"
        shutil.copy(self.path(name), self.path("copy"))
        self.change(name, 100, b"\0\0\0\0\0")
        earlier = validation.validate(self.folder)
        self.assertEqual(earlier.bad_shards(), [name])
        shutil.move(self.path("copy"), self.path(name))
        with mock.patch.object(shard_check, "check_shard", wraps=shard_check.check_shard) as check:
            report = validation.validate(self.folder, earlier=earlier)
        self.assertEqual([call.args[2] for call in check.call_args_list], [name])
        self.assertEqual((report.num_problems, report.num_images), (0, 11))


class RecordTest(DatasetTest):
    """Records that are whole, in shards whose SHA-256 holds, and yet wrong."""

    def wrong(self, record: bytes, split: str = "train", **settings) -> dict:
        self.examples[split][0][1] = record
        self.write()
        return {kind: lines for kind, lines in self.problems(**settings).items()
                if kind not in ("ground truth", "wrong count")}

    def assert_line(self, found: dict, kind: str, text: str, image_id: str = "t1") -> None:
        offset = self.offsets("train-00000-of-00002")[1] - 12
        where = f"train-00000-of-00002 record 1 at byte {offset}" + (f" ({image_id})" if image_id else "")
        self.assertEqual(found, {kind: [f"{where}: {text}"]})

    def test_an_image_that_does_not_decode(self):
        jpeg = bytearray(photographs.jpeg())
        start = jpeg.index(b"\xff\xc4") + 5
        jpeg[start:start + 16] = b"\xff" * 16  # of a Huffman table: header and end are as they should be
        self.assert_line(self.wrong(encode("t1", 1, bytes(jpeg))), "damaged image",
                         "damaged JPEG: does not decode")
        self.assertEqual(self.problems(decode=False), {})

    def test_a_truncated_image(self):
        jpeg = photographs.jpeg()[:-100]
        self.assert_line(self.wrong(encode("t1", 1, jpeg)), "damaged image",
                         f"truncated JPEG: no end marker in {len(jpeg)} bytes")

    def test_a_wrong_height(self):
        self.assert_line(self.wrong(encode("t1", 1, height=47)), "wrong image size",
                         "64 x 47 pixels, the image has 64 x 48")

    def test_a_wrong_format(self):
        self.assert_line(self.wrong(encode("t1", 1, image_format="PNG")), "wrong format",
                         "format 'PNG', the image is a JPEG")

    def test_a_label_outside_the_range(self):
        self.assert_line(self.wrong(encode("t1", 3)), "bad label", "label 3 must be in [0, 3)")

    def test_a_missing_label(self):
        self.assert_line(self.wrong(encode("t1", None)), "bad label", "label -1 must be in [0, 3)")

    def test_a_label_where_there_are_none(self):
        found = self.wrong(encode("i1", 2), "index")
        self.assertRegex(found["bad label"][0],
                         r"\(i1\): label 2 must be absent, as dataset.json has no range")

    def test_boxes(self):
        for box, text in (([1, 2, 65, 40], r"box \[1.0, 2.0, 65.0, 40.0\] .* in the image of 64 x 48 pixels"),
                          ([9, 2, 9, 40], "must lie in the image"), (None, "a query must have a box")):
            found = self.wrong(encode("q1", None, query_bbox=box), "query")
            self.assertRegex(found["bad box"][0], text)

    def test_pairs_stand_together(self):
        self.examples["train"][0] = [encode(f"t{row}", row, pair="a" if row != 1 else "") for row in range(3)]
        self.write()
        self.assertRegex(self.problems()["split pair"][0], r"record 2 .*\(t2\): it must stand next to the "
                                                           "others of its pair, 'a'")
        self.examples["train"][0] = [encode(f"t{row}", row, pair="ab"[row // 2]) for row in range(3)]
        self.write()
        self.assertEqual(self.problems(), {})

    def test_ids(self):
        self.assert_line(self.wrong(encode("", 1)), "bad id", "an id must be text in UTF-8, is b''", "")
        stored = tf.train.Example.FromString(encode("t1", 1))
        stored.features.feature["image/id"].bytes_list.value[0] = b"\xff1"
        self.assert_line(self.wrong(stored.SerializeToString()), "bad id",
                         r"an id must be text in UTF-8, is b'\xff1'", r"\xff1")

    def test_not_an_example(self):
        self.assert_line(self.wrong(b"\xff\xff\xff"), "not an example",
                         "the record holds no tf.train.Example", "")
        stored = tf.train.Example.FromString(encode("t1", 1))
        del stored.features.feature["image/height"]
        self.assert_line(self.wrong(stored.SerializeToString()), "not an example",
                         "image/height is missing", "")
        stored.features.feature["image/height"].float_list.value[:] = [48.0]
        self.assert_line(self.wrong(stored.SerializeToString()), "not an example",
                         "image/height must be a int64_list of 1, is a float_list of 1", "")

    def test_many_problems_of_one_kind_are_counted(self):
        with mock.patch.object(shard_check, "_MAX_LISTED", 2):
            self.examples["train"][0] = [encode(f"t{row}", 5) for row in range(3)]
            self.write()
            report = validation.validate(self.folder)
        self.assertEqual(report.counts["bad label"], 3)
        self.assertEqual(sum(problem.kind == "bad label" for problem in report.problems), 2)


if __name__ == "__main__":
    unittest.main()
