"""The numbers of a dataset, and the choice of images to show."""

import os
import unittest
from unittest import mock

import numpy as np
import tensorflow as tf
from rich import console

from data_prep.checking import inspection, inspection_views
from data_prep.records import fields_without_image, record_file
from data_prep.records.manifest import load_manifest
from data_prep.stage.byte_ranges import open_file
from tests.fixtures import photographs
from tests.fixtures.datasets import DatasetTest, encode


class InspectedTest(DatasetTest):
    """Train of classes x (1 image), y (2), z (3), one a PNG by night; query and index as in DatasetTest."""

    def setUp(self):
        super().setUp()
        png = photographs.encode(photographs.pixels(60, 80), "PNG")
        labels = (2, 1, 2, 0, 1)
        images = [encode(f"t{row}", label, photographs.jpeg(row), domain="day")
                  for row, label in enumerate(labels)]
        images.append(encode("t5", 2, png, "PNG", 60, 80, domain="night"))
        self.examples["train"] = [images[:3], images[3:]]
        self.write()
        self.manifest = load_manifest(self.folder)

    def table(self, name: str = "train") -> inspection.SplitTable:
        return inspection.read_split(self.manifest, name)


class InspectionTest(InspectedTest):
    def test_rows_say_what_the_examples_say(self):
        rows = self.table().rows
        self.assertEqual(rows["label"].tolist(), [2, 1, 2, 0, 1, 2])
        self.assertEqual(rows["file"].tolist(), [0, 0, 0, 1, 1, 1])
        self.assertEqual((rows["width"][5], rows["height"][5]), (80, 60))
        self.assertEqual(self.table("query").rows["has_box"].tolist(), [True, True])
        self.assertEqual(self.table("query").rows["label"].tolist(), [-1, -1])

    def test_summary(self):
        summary = inspection.summarise_split(self.manifest, self.table())
        self.assertEqual((summary.num_images, summary.num_shards, summary.num_classes), (6, 2, 3))
        self.assertEqual(summary.images_per_class, (1, 2.0, 3))
        self.assertEqual(summary.image_sizes, ((64, 48), (64, 48), (80, 60)))
        self.assertEqual(summary.formats, {"JPEG": 5, "PNG": 1})
        self.assertEqual(summary.domains, {"day": 5, "night": 1})
        self.assertEqual(summary.num_bytes, sum(os.path.getsize(path) for path in self.table().paths))
        lengths = sorted(len(record) for part in self.examples["train"] for record in part)
        self.assertEqual(summary.image_bytes, (lengths[0], lengths[3], lengths[-1]))
        query = inspection.summarise_split(self.manifest, self.table("query"))
        self.assertEqual((query.num_boxes, query.num_classes, query.images_per_class), (2, 0, None))

    def test_extreme_classes(self):
        tables = [self.table(), self.table("index")]
        self.assertEqual(inspection.extreme_classes(tables, 1), [(2, [3, 0]), (0, [1, 0])])
        self.assertEqual(inspection.extreme_classes(tables, 2), [(2, [3, 0]), (1, [2, 0]), (0, [1, 0])])

    def test_reasons_are_grouped_whatever_their_numbers(self):
        left_out = [{"image": "a", "reason": "80 x 60 pixels, more than the limit of 3072"},
                    {"image": "b", "reason": "missing"},
                    {"image": "c", "reason": "90 x 60 pixels, more than the limit of 3072"}]
        self.assertEqual(inspection.group_reasons(left_out),
                         [("N x N pixels, more than the limit of N", 2, "a"), ("missing", 1, "b")])

    def test_choice_by_class(self):
        table = self.table()
        rows = inspection.choose_images(self.manifest, table, num_images=6, per_row=2, seed=0)
        self.assertEqual([(row.label, row.num_images, len(row.rows)) for row in rows],
                         [("x", 1, 1), ("y", 2, 2), ("z", 3, 2)])
        for row, label in zip(rows, range(3)):
            self.assertEqual(set(table.rows["label"][row.rows]), {label})
        few = inspection.choose_images(self.manifest, table, num_images=1, per_row=2, seed=0)
        self.assertEqual([len(row.rows) for row in few], [1])

    def test_choice_without_classes(self):
        table = self.table("index")
        rows = inspection.choose_images(self.manifest, table, num_images=3, per_row=2, seed=0)
        self.assertEqual([row.rows.tolist() for row in rows], [[0, 1], [2]])
        chosen = [inspection.choose_images(self.manifest, table, 1, 2, seed)[0].rows[0] for seed in range(9)]
        self.assertGreater(len(set(chosen)), 1)
        self.assertEqual(chosen[0], inspection.choose_images(self.manifest, table, 1, 2, 0)[0].rows[0])

    def test_images_are_read_from_their_place(self):
        images = inspection.read_images(self.table(), [4, 0])
        self.assertEqual([image.id for image in images], ["t4", "t0"])
        self.assertEqual(images[0].encoded, photographs.jpeg(4))
        self.assertEqual((images[0].domain, images[0].query_bbox), ("day", None))
        query, = inspection.read_images(self.table("query"), [1])
        self.assertEqual((query.id, query.query_bbox, query.domain), ("q1", [1, 2, 30, 40], ""))

    def test_ids_are_found(self):
        self.assertEqual(inspection.find_ids(self.table("index"), ["i2", "other", "i0"]), [2, 0])

    def test_refusals(self):
        with self.assertRaisesRegex(ValueError, "`split` must be one of train, query, index. "
                                                "Received: split='test'"):
            self.table("test")
        self.change("train-00000-of-00002", 14, b"\xff\xff\xff\xff")
        with self.assertRaisesRegex(ValueError, "train-00000-of-00002 must be images; data_prep.validate "
                                                "says more. Received: at byte 0 one"):
            self.table()
        os.remove(self.path("train-00001-of-00002"))
        with self.assertRaisesRegex(FileNotFoundError, "Split 'train' of .* lacks its shard .*train-00001"):
            self.table()


class LightFieldsTest(DatasetTest):
    def test_all_but_the_image_is_read_and_not_the_image(self):
        encoded = bytes(1_000_000)
        path = self.path("file")
        for image_id in ("short", "x" * 5000):
            written = encode(image_id, 7, encoded, query_bbox=[1, 2, 3, 4], domain="day")
            example = tf.train.Example.FromString(written)
            in_one_part = example.SerializeToString(deterministic=True)
            self.assertNotEqual(written, in_one_part)  # there the image stands among the others
            del example.features.feature["image/encoded"]
            for serialized in (written, in_one_part):
                with open(path, "wb") as file:
                    file.write(b"before" + serialized + b"after")
                with mock.patch.object(os, "pread", wraps=os.pread) as pread:
                    found = fields_without_image.read_light_features(open_file(path), 6, len(serialized))
                self.assertLess(sum(call.args[1] for call in pread.call_args_list), 20_000)
                self.assertEqual(found, example.features)

    def test_refuses_what_is_no_example(self):
        path = self.path("file")
        for content, text in ((b"text" * 9, "starts differently"),
                              (b"\x0a\x06\x0a\x04\xff\xff\xff\xff", "do not parse")):
            with open(path, "wb") as file:
                file.write(content)
            with self.assertRaisesRegex(ValueError, text):
                fields_without_image.read_light_features(open_file(path), 0, len(content))


class ViewsTest(InspectedTest):
    def text(self, table) -> str:
        screen = console.Console(width=140, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
        self.addCleanup(screen.file.close)
        screen.print(table)
        return screen.export_text()

    def test_tables(self):
        summaries = {name: inspection.summarise_split(self.manifest, self.table(name))
                     for name in ("train", "query")}
        text = self.text(inspection_views.summary_table(summaries))
        for line in (r"images +6 +2 ", r"images per class +1 / 2 / 3 ", r"formats +5 JPEG, 1 PNG +2 JPEG",
                     r"width x height +64x48 / 64x48 / 80x60 +64x48 ", r"domains +5 day, 1 night",
                     r"with a query's box +2 "):
            self.assertRegex(text, line)
        text = self.text(inspection_views.classes_table(self.manifest, [self.table()], 1))
        self.assertRegex(text, r"(?s)Largest and.*z +2 +3.*x +0 +1 ")
        self.assertIsNone(inspection_views.classes_table(self.manifest, [self.table("index")], 1))
        self.assertIsNone(inspection_views.sources_table(self.manifest))
        self.assertIsNone(inspection_views.left_out_table(self.manifest))

    def test_sections_of_classes_and_of_queries(self):
        tables = [self.table(name) for name in ("train", "query", "index")]
        train, query, index = inspection_views.make_sections(self.manifest, tables, 16, seed=0)
        self.assertEqual([(row.title, row.note, len(row.cells)) for row in train.rows],
                         [("x", "1 image", 1), ("y", "2 images", 2), ("z", "3 images", 3)])
        self.assertEqual(train.rows[0].cells[0].caption, "t3")
        self.assertEqual(train.rows[0].cells[0].tag, "day")
        np.testing.assert_array_equal(train.rows[0].cells[0].image,
                                      tf.io.decode_jpeg(photographs.jpeg(3), channels=3))
        self.assertEqual([[(cell.caption, cell.tag) for cell in row.cells] for row in query.rows],
                         [[("q0", ""), ("i0", "easy"), ("i1", "hard")],
                          [("q1", ""), ("i2", "hard"), ("i0", "junk")]])
        self.assertEqual(query.rows[0].cells[0].bbox, [1, 2, 30, 40])
        self.assertEqual(query.rows[0].note, "1 easy, 1 hard, 0 junk")
        self.assertEqual([cell.caption for cell in index.rows[0].cells], ["i0", "i1", "i2"])

    def test_an_image_that_does_not_decode_has_no_pixels(self):
        self.examples["train"] = [[encode("t0", 0, b"text")]]
        self.write()
        manifest = load_manifest(self.folder)
        section, = inspection_views.make_sections(manifest, [inspection.read_split(manifest, "train")], 8, 0)
        self.assertIsNone(section.rows[0].cells[0].image)

    def test_spans_and_rows_agree(self):
        table = self.table()
        spans = [span for path in table.paths for span in record_file.record_spans(path)]
        self.assertEqual([(int(row["start"]), int(row["length"])) for row in table.rows], spans)


if __name__ == "__main__":
    unittest.main()
