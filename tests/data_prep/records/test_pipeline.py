"""Batches are full, shuffled, reproducible, and can be taken up at any step."""

import itertools
import os
import tempfile
import threading
import unittest
from collections import Counter
from unittest import mock

import numpy as np
import tensorflow as tf

from data_prep.images import image_headers
from data_prep.records import manifest, pipeline, record_reading, shards
from data_prep.records.example import encode_example
from tests.fixtures import photographs

NUM_CLASSES = 7
KINDS = (("JPEG", "RGB"), ("JPEG", "L"), ("JPEG", "CMYK"), ("PNG", "P"))


def write_split(folder: str, split: str, sizes: list, labels=lambda number: number % NUM_CLASSES,
                label_range=(0, NUM_CLASSES), bbox=None) -> None:
    """Shards of given sizes, and their dataset.json; image number i is called i."""
    numbers = iter(range(sum(sizes)))
    shards_of_examples = []
    for size in sizes:
        examples = []
        for number in itertools.islice(numbers, size):
            image_format, mode = KINDS[number % len(KINDS)]
            encoded = photographs.encode(photographs.pixels(24, 32, seed=number), image_format, mode)
            examples.append(encode_example(encoded, str(number), image_format, 24, 32, labels(number), bbox))
        shards_of_examples.append(examples)
    write_examples(folder, shards_of_examples, split, label_range)


def write_examples(folder: str, shards_of_examples: list, split="train", label_range=(0, NUM_CLASSES)):
    """Shards of given examples, and their dataset.json."""
    written = [shards.write_shard(os.path.join(folder, shards.shard_name(split, index, len(
        shards_of_examples))), examples) for index, examples in enumerate(shards_of_examples)]
    count = sum(map(len, shards_of_examples))
    manifest.save_manifest(manifest.Manifest("", "folder", 0, NUM_CLASSES, tuple(range(NUM_CLASSES)), {
        split: manifest.Split(count, NUM_CLASSES, label_range, tuple(written))}), folder)


class PipelineTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        write_split(folder.name, "train", [9, 4, 10])
        cls.pattern = os.path.join(folder.name, "train*")

    def batches(self, count: int, start_step: int = 0, seed: int = 0, batch_size: int = 4, **settings):
        dataset = pipeline.make_dataset(self.pattern, 8, batch_size, seed, training=True, shuffle_buffer=6,
                                        start_step=start_step, **settings)
        return [(images.numpy(), labels.numpy()) for images, labels in dataset.take(count)]

    def assert_same(self, one: list, two: list):
        self.assertEqual(len(one), len(two))
        for (images, labels), (other_images, other_labels) in zip(one, two):
            np.testing.assert_array_equal(images, other_images)
            np.testing.assert_array_equal(labels, other_labels)

    def test_shapes_and_types(self):
        dataset = pipeline.make_dataset(self.pattern, 8, 4, 0, training=True)
        self.assertEqual(dataset.element_spec, (tf.TensorSpec([4, 8, 8, 3], tf.uint8),
                                                tf.TensorSpec([4], tf.int32)))

    def test_goes_on_where_it_was_left(self):  # 23 images, batches of 4: epochs end inside batches
        whole = self.batches(15)
        tf.random.set_seed(1234)  # must not matter
        for start_step in (1, 5, 6, 12):
            self.assert_same(self.batches(15 - start_step, start_step), whole[start_step:])

    def test_images_cropped_at_once_are_those_cropped_one_by_one(self):
        at_once = self.batches(6)
        with mock.patch.object(pipeline, "_CROPPED_AT_ONCE", 1):
            self.assert_same(self.batches(6), at_once)

    def test_reads_wait_side_by_side(self):  # or processors that could decode would wait with them
        begun, enough = itertools.count(1), threading.Event()
        read = record_reading.RecordReader.read

        def waiting(reader, numbers):
            if next(begun) == pipeline._READS_AHEAD:
                enough.set()
            self.assertTrue(enough.wait(timeout=30))
            return read(reader, numbers)

        with mock.patch.object(record_reading.RecordReader, "read", waiting):
            self.assertEqual(len(self.batches(1)), 1)

    def test_another_seed_gives_other_batches(self):
        one, other = self.batches(3), self.batches(3, seed=1)
        self.assertNotEqual([labels.tolist() for _, labels in one], [labels.tolist() for _, labels in other])

    def test_each_epoch_has_every_image_once_in_its_own_order(self):
        labels = [int(labels[0]) for _, labels in self.batches(46, batch_size=1)]
        self.assertEqual(Counter(labels[:23]), Counter(number % NUM_CLASSES for number in range(23)))
        self.assertEqual(Counter(labels[23:]), Counter(labels[:23]))
        self.assertNotEqual(labels[:23], labels[23:])

    def test_without_augmentation_images_are_whole(self):
        (images, labels), = self.batches(1, augmentation="none")
        seen = {(label, image.tobytes()) for label, image in zip(labels, images)}
        dataset = pipeline.make_dataset(self.pattern, 8, 23, 0, training=False)
        all_images, all_labels = next(dataset.as_numpy_iterator())
        self.assertLess(seen, {(label, image.tobytes()) for label, image in zip(all_labels, all_images)})

    def test_strong_augmentation_changes_the_crops_and_goes_on_where_it_was_left(self):
        whole = self.batches(4, augmentation="strong")
        self.assert_same(self.batches(2, start_step=2, augmentation="strong"), whole[2:])
        for (strong, labels), (paper, paper_labels) in zip(whole, self.batches(4)):
            np.testing.assert_array_equal(labels, paper_labels)
            self.assertTrue((strong != paper).any(axis=(1, 2, 3)).all())

    def test_class_balanced_batches(self):
        whole = self.batches(9, batch_size=6, images_per_class=2)
        for images, labels in whole:
            self.assertEqual(sorted(Counter(labels.tolist()).values()), [2, 2, 2])
            self.assertEqual(len({image.tobytes() for image in images}), 6)
        self.assertEqual(Counter(np.concatenate([labels for _, labels in whole[:7]]).tolist()),
                         Counter(list(range(7)) * 6))
        self.assert_same(self.batches(5, start_step=4, batch_size=6, images_per_class=2), whole[4:])

    def test_workers_share_the_batches_of_one(self):
        alone = self.batches(5, batch_size=6)
        for index in range(3):
            expected = [tuple(part[2 * index:2 * index + 2] for part in batch) for batch in alone]
            self.assert_same(self.batches(5, batch_size=2, worker_index=index, num_workers=3), expected)

    def test_workers_share_class_balanced_batches(self):
        alone = self.batches(3, batch_size=12, images_per_class=2)
        for index in range(2):
            found = self.batches(3, batch_size=6, images_per_class=2, worker_index=index, num_workers=2)
            self.assert_same(found, [tuple(part[6 * index:6 * index + 6] for part in batch)
                                     for batch in alone])

    def test_evaluation_is_one_pass_in_order(self):
        for start_step, expected in ((0, list(range(23))), (2, list(range(20, 23)))):
            dataset = pipeline.make_dataset(self.pattern, 8, 10, 0, training=False, start_step=start_step)
            batches = list(dataset.as_numpy_iterator())
            self.assertEqual([len(labels) for _, labels in batches], [10, 10, 3][start_step:])
            self.assertEqual(np.concatenate([labels for _, labels in batches]).tolist(),
                             [number % NUM_CLASSES for number in expected])

    def test_replicas_share_each_batch(self):
        devices = tf.config.list_logical_devices("CPU")
        strategy = tf.distribute.MirroredStrategy([devices[0].name])
        dataset = pipeline.make_dataset(self.pattern, 8, 4, 0, training=True, shuffle_buffer=6)
        self.assertEqual(dataset.options().experimental_distribute.auto_shard_policy,
                         tf.data.experimental.AutoShardPolicy.DATA)
        images, labels = next(iter(strategy.experimental_distribute_dataset(dataset)))
        self.assert_same([(images.numpy(), labels.numpy())], self.batches(1))

    def test_examples_as_python_values(self):
        examples = list(pipeline.iterate_examples(self.pattern))
        self.assertEqual(examples[0].max_pixels, image_headers.MAX_PIXELS)
        self.assertEqual([example.id for example in examples], [str(number) for number in range(23)])
        first = examples[0]
        self.assertEqual(first.encoded, photographs.encode(photographs.pixels(24, 32, seed=0)))
        self.assertEqual((first.label, first.height, first.width, first.query_bbox, first.domain),
                         (0, 24, 32, None, ""))
        self.assertEqual(pipeline.count_examples(self.pattern), 23)

    def test_a_wider_shuffle_is_another_order_of_the_same_images(self):
        one, three = ([labels for _, labels in self.batches(6, shuffle_width=width)] for width in (1, 3))
        self.assertNotEqual(np.concatenate(one).tolist(), np.concatenate(three).tolist())

    def test_shuffled_shards_are_read_without_a_warning(self):
        with self.assertNoLogs(level="WARNING"):
            pipeline.make_dataset(self.pattern, 8, 4, 0, training=True, shuffle_buffer=6)

    def test_refuses_settings_out_of_range(self):
        good = {"pattern": self.pattern, "image_size": 8, "batch_size": 4, "seed": 0, "training": True}
        for message, bad in (("`image_size` must be at least 1. Received: image_size=0", {"image_size": 0}),
                             ("`batch_size` must be at least 1", {"batch_size": 0}),
                             ("`shuffle_buffer` must be at least 1", {"shuffle_buffer": 0}),
                             ("`shuffle_width` must be at least 1", {"shuffle_width": 0}),
                             ("`min_crop_area` must be in .0, 1.. Received: min_crop_area=0",
                              {"min_crop_area": 0}),
                             ("`start_step` must be at least 0. Received: start_step=-1", {"start_step": -1}),
                             ("`images_per_class` must be at least 0", {"images_per_class": -1}),
                             ("multiple of `images_per_class`. Received: batch_size=4, images_per_class=3",
                              {"images_per_class": 3}),
                             ("left alone when not training. Received: .*num_workers=2",
                              {"training": False, "num_workers": 2}),
                             ("classes of a batch, .* Received: 10 against 7",
                              {"batch_size": 20, "images_per_class": 2}),
                             ("`worker_index` must be .* worker_index=3", {"worker_index": 3}),
                             ("one of paper, strong, none. Received: augmentation='flip'",
                              {"augmentation": "flip"})):
            with self.subTest(message), self.assertRaisesRegex(ValueError, message):
                pipeline.make_dataset(**{**good, **bad})


class OtherShardsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder, self.pattern = folder.name, os.path.join(folder.name, "train*")

    def test_shards_sorted_by_class_are_told_of(self):
        write_split(self.folder, "train", [14, 14], labels=lambda number: number // 4)
        with self.assertLogs(level="WARNING") as said:
            pipeline.make_dataset(self.pattern, 8, 4, 0, training=True, shuffle_buffer=6, shuffle_width=9)
        self.assertRegex(said.output[0], "are sorted by class: 77 % .* shuffle_buffer=6 draws from "
                                         "shuffle_width=2 of 2 shards .* up to 28 and 2")
        with self.assertNoLogs(level="WARNING"):  # all are shuffled together
            pipeline.make_dataset(self.pattern, 8, 4, 0, training=True, shuffle_buffer=28)

    def make_dataset(self, training: bool) -> tf.data.Dataset:
        return pipeline.make_dataset(self.pattern, 8, 2, 0, training)

    def test_label_outside_the_table_raises(self):
        write_split(self.folder, "train", [4], labels=lambda number: number * 3)
        for training in (True, False):
            message = r"(?s)train\*.* must be in \[0, 7\).*label=.*9.*image.*3"
            with self.subTest(training=training), self.assertRaisesRegex(
                    tf.errors.InvalidArgumentError, message):
                list(self.make_dataset(training).take(2))

    def test_missing_label_raises(self):
        write_split(self.folder, "train", [2], labels=lambda number: None)
        with self.assertRaisesRegex(tf.errors.InvalidArgumentError, r"must be in \[0, 7\)"):
            list(self.make_dataset(False))

    def test_queries_have_boxes_and_no_labels(self):
        write_split(self.folder, "train", [2], labels=lambda number: None, label_range=None,
                    bbox=[1, 2, 30.5, 20])
        self.assertEqual([labels.tolist() for _, labels in self.make_dataset(False).as_numpy_iterator()],
                         [[-1, -1]])
        first = next(pipeline.iterate_examples(self.pattern))
        self.assertEqual((first.label, first.query_bbox.tolist()), (-1, [1, 2, 30.5, 20]))
        with self.assertRaisesRegex(ValueError, "Training needs labelled shards. Received: '.*train"):
            self.make_dataset(True)

    def test_pairs_and_domains(self):
        rows = [["a", "a", "b", "b", None, "c"], ["c", None, "d", "d"]]  # c is torn apart
        write_examples(self.folder, [[encode_example(
            photographs.jpeg(), f"{part}{place}", "JPEG", 48, 64, 0, domain=("day", "night")[place % 2],
            pair=pair) for place, pair in enumerate(pairs)] for part, pairs in enumerate(rows)])
        found = [(one["id"].decode(), other["id"].decode())
                 for one, other in pipeline.read_pairs(self.pattern).as_numpy_iterator()]
        self.assertEqual(found, [("00", "01"), ("02", "03"), ("12", "13")])
        night = pipeline.of_domain(pipeline.read_examples(self.pattern), "night")
        self.assertEqual([fields["id"].decode() for fields in night.as_numpy_iterator()],
                         ["01", "03", "05", "11", "13"])

    def test_refuses_empty_shards(self):
        write_split(self.folder, "train", [0])
        with self.assertRaisesRegex(ValueError, "at least one example. Received: none in '.*train"):
            self.make_dataset(True)

    def test_refuses_shards_without_description(self):
        write_split(self.folder, "train", [2])
        os.remove(os.path.join(self.folder, "dataset.json"))
        with self.assertRaisesRegex(FileNotFoundError, "dataset.json does not exist"):
            self.make_dataset(True)

    def test_a_damaged_record_stops_training(self):
        write_split(self.folder, "train", [2])
        with open(os.path.join(self.folder, "train-00000-of-00001"), "r+b") as file:
            file.seek(300)
            file.write(b"\0\0\0")
        with self.assertRaisesRegex(tf.errors.InvalidArgumentError, "00000-of-00001 must be whole.*byte 12 "):
            list(self.make_dataset(True).take(1))

    def test_refuses_a_truncated_shard(self):
        write_split(self.folder, "train", [2])
        os.truncate(os.path.join(self.folder, "train-00000-of-00001"), 100)
        with self.assertRaisesRegex(ValueError, "train-00000-of-00001 must have the .* Received: 100 bytes"):
            self.make_dataset(True)


if __name__ == "__main__":
    unittest.main()
