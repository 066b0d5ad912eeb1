"""CUB-200-2011 as published: images/ and tables of its images, their classes, their split and the classes."""

from __future__ import annotations

import os

import numpy as np

from data_prep.sources.class_splits import Settings, split_classes
from data_prep.sources.collection import ImageCollection
from data_prep.sources.formats.image_names import check_names, ids_of_paths
from data_prep.sources.formats.tables import read_rows
from data_prep.sources.public_set import PublicFile, PublicSet
from data_prep.sources.source import Source, tables_inside

TABLES = ("images.txt", "image_class_labels.txt", "train_test_split.txt", "classes.txt")


def read_collection(images_dir: str, class_split: str) -> ImageCollection:
    """The splits `train` and `test`; the id of an image is `class/name`, its label the name of its class.

    Args:
        images_dir: the folder of images.txt.
        class_split: see `split_classes`.

    Raises:
        ValueError: if a table is not as published, or the tables disagree.
        FileNotFoundError: if a table does not exist.
    """
    paths, labels, flags, classes = (os.path.join(images_dir, name) for name in TABLES)
    name_of = _read(paths)
    check_names(name_of.values(), paths)
    class_of, flag_of = (_matched(_read(table), name_of, table, paths) for table in (labels, flags))
    class_names = _read(classes)
    if list(class_names) != [str(number) for number in range(1, len(class_names) + 1)]:
        raise ValueError(f"{classes} must number the classes 1, 2, ... Received: {', '.join(class_names)}.")
    for number in name_of:
        if class_of[number] not in class_names:
            raise ValueError(f"Classes in {labels} must be 1 to {len(class_names)}, as in {classes}. "
                             f"Received: {class_of[number]!r} for image {number}.")
        if flag_of[number] not in ("0", "1"):
            raise ValueError(f"Values of {flags} must be 1, to train, or 0, to test. "
                             f"Received: {flag_of[number]!r} for image {number}.")
    path_of = ids_of_paths(name_of.values(), "images")
    return split_classes(list(path_of), np.array([int(class_of[number]) for number in name_of]),
                         list(class_names.values()),
                         np.array([flag_of[number] == "1" for number in name_of]), class_split,
                         lambda image_id: os.path.join("images", path_of[image_id]))


def _read(path: str) -> dict[str, str]:
    """Number -> value of a table of two columns with a blank between them."""
    if not os.path.isfile(path):
        raise FileNotFoundError(f"dataset=cub needs {', '.join(TABLES)} in `images_dir`. "
                                f"Received: no file {path}.")
    entries: dict[str, str] = {}
    for line, (number, *words) in read_rows(path, "\t "):
        if not words or not (number.isascii() and number.isdigit()):
            raise ValueError(f"Lines of {path} must be a number, a blank and a value. "
                             f"Received: {' '.join([number, *words])!r} in line {line}.")
        if number in entries:
            raise ValueError(f"Numbers in {path} must be unique. Received: {number} twice, again in line "
                             f"{line}.")
        entries[number] = " ".join(words)
    if not entries:
        raise ValueError(f"{path} must have at least one line. Received: none.")
    return entries


def _matched(entries: dict[str, str], name_of: dict[str, str], table: str, paths: str) -> dict[str, str]:
    differing = sorted(entries.keys() ^ name_of.keys(), key=int)
    if differing:
        raise ValueError(f"{table} must have the images of {paths}. Received: image {differing[0]} in one "
                         "of them only.")
    return entries


SOURCE = Source(
    layout="the set's own, with images.txt", settings=Settings, lists_all=True, marks=("images.txt",),
    read=lambda config: read_collection(config.images_dir, config.class_split),
    tables=lambda config: tables_inside(*(os.path.join(config.images_dir, name) for name in TABLES)),
    public_sets={"cub": PublicSet(  # 11,788 images
        homepage="https://data.caltech.edu/records/65de6-vp158",
        files=(PublicFile("https://data.caltech.edu/records/65de6-vp158/files", "CUB_200_2011.tgz",
                          size=1_150_585_339, md5="97eceeb196236b17998738112f37df78",
                          sha256="0c685df5597a8b24909f6a7c9db6d11e008733779a671760afef78feb49bf081"),),
        next_command="python -m data_prep.build_tfrecords --dataset=cub {images} --output_dir={dir}/shards",
        unpack_dir="unpacked", unpacked_images="--images_dir={dir}/unpacked/CUB_200_2011", unpack=True)})
