"""Tests of vae.data.photographs."""

import os
import unittest

import numpy as np

from data_prep.building import building
from data_prep.building.config import BuildConfig
from data_prep.images import augment
from tests.fixtures.day_night_shards import build_shards, write_photographs
from tests.fixtures.temporary_files import FilesTest
from vae.data.photographs import in_batches, read_photographs, resized


class InBatchesTest(unittest.TestCase):
    def test_puts_the_batches_together_in_order(self):
        sizes = []

        def twice(images):
            sizes.append(len(images))
            return 2 * images

        np.testing.assert_array_equal(in_batches(twice, np.arange(5), 2), [0, 2, 4, 6, 8])
        self.assertEqual(sizes, [2, 2, 1])


class ReadPhotographsTest(FilesTest):
    def test_reads_images_domains_places_and_pairs(self):
        _, pattern = build_shards(self.directory, num_places=4, views=2)
        photographs = read_photographs(pattern, 16)
        self.assertEqual(photographs.images.shape, (8, 16, 16, 3))
        self.assertEqual(photographs.images.dtype, np.uint8)
        self.assertEqual((len(photographs.rows("day")), len(photographs.rows("night"))), (4, 4))
        self.assertEqual(np.unique(photographs.places, return_counts=True)[1].tolist(), [4, 4])
        names = [name.rsplit("/", 1)[-1] for name in photographs.ids]
        pairs = photographs.paired_rows()
        self.assertEqual(pairs.shape, (4, 2))
        for day, night in pairs:
            self.assertFalse(photographs.is_night[day])
            self.assertTrue(photographs.is_night[night])
            self.assertEqual(names[day], names[night])

    def test_traces_what_decodes_once_for_all_images(self):
        _, pattern = build_shards(self.directory, num_places=4, views=2)
        read_photographs(pattern, 24)
        before = augment.resize_whole.experimental_get_tracing_count()
        read_photographs(pattern, 24)
        self.assertEqual(augment.resize_whole.experimental_get_tracing_count(), before)

    def test_refuses_shards_of_one_domain(self):
        pattern = self.shards_of(lambda row: ",day," in row)
        with self.assertRaisesRegex(ValueError, "by day and by night. Received: 4 by day, 0 by night"):
            read_photographs(pattern, 16)

    def test_refuses_images_without_a_domain(self):
        write_photographs(self.path("images"), num_places=2, views=1)
        building.build(BuildConfig("folder", self.path("images"), self.path("shards"), num_shards=1,
                                   validation_fraction=0.0))
        with self.assertRaisesRegex(ValueError, "a place and a domain, day or night.*domain=''"):
            read_photographs(self.path("shards/train-*"), 16)

    def shards_of(self, keep):
        write_photographs(self.path("images"), num_places=2, views=2)
        table = os.path.join(self.path("images"), "places.csv")
        with open(table, encoding="utf-8") as file:
            header, *rows = file.read().splitlines()
        self.write("images/places.csv", "\n".join([header, *filter(keep, rows)]))
        building.build(BuildConfig("day_night", self.path("images"), self.path("shards"), num_shards=1,
                                   validation_fraction=0.0, test_fraction=0.0))
        return self.path("shards/train-*")


class ResizedTest(FilesTest):
    def test_shrinks_by_averaging(self):
        image = np.array([[0, 100], [50, 250]], np.uint8)[None, :, :, None].repeat(3, axis=3)
        self.assertEqual(resized(image, 1).tolist(), [[[[100, 100, 100]]]])
        self.assertIs(resized(image, 2), image)
        self.assertEqual(resized(image, 4).shape, (1, 4, 4, 3))
