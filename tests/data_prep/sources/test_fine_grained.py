"""CUB-200-2011 and Stanford Dogs are read as published, by official split and by class."""

import os
import unittest

import numpy as np
from scipy import io

from data_prep.sources import cub, dogs
from tests.fixtures.temporary_files import FilesTest


def contents(collection) -> dict:
    """Split -> id -> label."""
    return {split.name: dict(zip(split.ids, split.landmarks.tolist())) for split in collection.splits}


class CUBTest(FilesTest):
    TABLES = {"images.txt": "1 001.Wren/a_1.jpg\n2 001.Wren/a_2.jpg\n3 002.Jay/b_1.jpg\n4 002.Jay/b_2.jpg\n",
              "image_class_labels.txt": "1 1\n2 1\n3 2\n4 2\n",
              "train_test_split.txt": "1 1\n2 0\n3 0\n4 1\n", "classes.txt": "1 001.Wren\n2 002.Jay\n"}

    def read(self, class_split="official", **changed):
        for name, content in {**self.TABLES, **{f"{key}.txt": text for key, text in changed.items()}}.items():
            self.write(name, content)
        return cub.read_collection(self.directory, class_split)

    def test_official_split(self):
        collection = self.read()
        self.assertEqual(contents(collection), {
            "train": {"001.Wren/a_1": "001.Wren", "002.Jay/b_2": "002.Jay"},
            "test": {"001.Wren/a_2": "001.Wren", "002.Jay/b_1": "002.Jay"}})
        self.assertEqual(collection.path_of("002.Jay/b_1"), os.path.join("images", "002.Jay/b_1.jpg"))
        self.assertFalse(collection.fixed_splits)  # validation is taken from train

    def test_unseen_classes(self):
        self.assertEqual(contents(self.read("unseen")), {
            "train": {"001.Wren/a_1": "001.Wren", "001.Wren/a_2": "001.Wren"},
            "test": {"002.Jay/b_1": "002.Jay", "002.Jay/b_2": "002.Jay"}})

    def test_refuses_tables_that_are_not_as_published(self):
        for changed, message in (
                ({"image_class_labels": "1 1\n2 1\n3 2\n4 3\n"}, "must be 1 to 2, .* '3' for image 4"),
                ({"image_class_labels": "1 0\n2 1\n3 2\n4 2\n"}, "must be 1 to 2, .* '0' for image 1"),
                ({"train_test_split": "1 1\n2 0\n3 0\n"}, "split.txt must have the images of .*images.txt. "
                                                          "Received: image 4 in one of them only"),
                ({"train_test_split": "1 1\n2 0\n3 0\n4 yes\n"}, "must be 1, to train, .* 'yes' for image 4"),
                ({"train_test_split": "1 1\n2 1\n3 1\n4 1\n"}, "to train and to test on. Received: none for"),
                ({"images": "1 a/b.jpg\n1 a/c.jpg\n"}, "Numbers in .*images.txt must be unique. Received: 1"),
                ({"images": "1 ../x.jpg\n"}, "without '..'. Received: '../x.jpg'"),
                ({"images": "one\n"}, "must be a number, a blank and a value. Received: 'one'"),
                ({"images": b"1 a/\xff.jpg\n"}, "images.txt must be UTF-8 text"),
                ({"images": "\n"}, "images.txt must have at least one line"),
                ({"classes": "0 a\n1 b\n"}, "must number the classes 1, 2, ... Received: 0, 1")):
            with self.subTest(message), self.assertRaisesRegex(ValueError, message):
                self.read(**changed)

    def test_refuses_another_folder(self):
        with self.assertRaisesRegex(FileNotFoundError, "dataset=cub needs images.txt, .* no file .*images"):
            cub.read_collection(self.directory, "official")


class DogsTest(FilesTest):
    TRAIN = (["n02-Pug/n02_1.jpg", "n01-Collie/n01_1.jpg"], [1, 2])  # numbers need not follow the alphabet
    TEST = (["n02-Pug/n02_2.jpg", "n01-Collie/n01_2.jpg"], [1, 2])

    def read(self, class_split="official", train=TRAIN, test=TEST, folder="lists"):
        for name, (files, labels) in (("train", train), ("test", test)):
            self.write(f"{folder}/{name}_list.mat")
            cells = np.empty((len(files), 1), object)
            cells[:, 0] = files
            io.savemat(self.path(f"{folder}/{name}_list.mat"),
                       {"file_list": cells, "labels": np.reshape(labels, (-1, 1)), "annotation_list": cells})
        return dogs.read_collection(self.directory, class_split)

    def test_official_split(self):
        collection = self.read()
        self.assertEqual(contents(collection), {
            "train": {"n02-Pug/n02_1": "001.n02-Pug", "n01-Collie/n01_1": "002.n01-Collie"},
            "test": {"n02-Pug/n02_2": "001.n02-Pug", "n01-Collie/n01_2": "002.n01-Collie"}})
        self.assertEqual(collection.path_of("n02-Pug/n02_1"), os.path.join("Images", "n02-Pug/n02_1.jpg"))

    def test_unseen_classes(self):
        found = contents(self.read("unseen"))
        self.assertEqual(found["train"], {"n02-Pug/n02_1": "001.n02-Pug", "n02-Pug/n02_2": "001.n02-Pug"})
        self.assertEqual(set(found["test"].values()), {"002.n01-Collie"})

    def test_lists_beside_the_images(self):
        self.assertEqual(len(self.read(folder=".").splits), 2)

    def test_refuses_lists_that_are_not_as_published(self):
        for lists, message in (
                ({"train": (["a/1.jpg"], [1, 2])}, "a label for each. Received: 1 entries of file_list, 2"),
                ({"train": (["a/1.jpg"], [1.5])}, "train_list.mat must be integers. Received: float64 .*1.5"),
                ({"train": ([3], [1])}, "must have the name of at least one file"),
                ({"train": (["n02-Pug/9.jpg"], [0])}, "must be 1, 2, ..., .* 2 folders, labels from 0 to 2"),
                ({"train": (["n02-Pug/9.jpg"], [2])}, "in one folder a class. .*'n01-Collie/n01_2.jpg' in"),
                ({"train": (["9.jpg"], [1])}, "in one folder a class. Received: '9.jpg' in class 1"),
                ({"train": DogsTest.TEST}, "unique. Received: 'n02-Pug/n02_2.jpg' twice in .*train_list"),
                ({"train": (["../9.jpg"], [1])}, "without '..'. Received: '../9.jpg'")):
            with self.subTest(message), self.assertRaisesRegex(ValueError, message):
                self.read(**lists)

    def test_refuses_damaged_files(self):
        self.read()
        with open(self.path("lists/train_list.mat"), "rb") as file:
            stored = file.read()
        for content in (b"", b"text", stored[:200]):
            self.write("lists/train_list.mat", content)
            with self.subTest(content[:8]), self.assertRaisesRegex(
                    ValueError, "train_list.mat must be a MATLAB 5 file with file_list and labels. Received"):
                dogs.read_collection(self.directory, "official")

    def test_refuses_another_folder(self):
        with self.assertRaisesRegex(FileNotFoundError, "dogs needs train_list.mat and .* no file .*train_"):
            dogs.read_collection(self.directory, "official")


if __name__ == "__main__":
    unittest.main()
