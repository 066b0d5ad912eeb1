"""Stanford Dogs as published: train_list.mat and test_list.mat, here or in lists/, and Images/<class>/."""

from __future__ import annotations

import os

import numpy as np

from data_prep.sources.class_splits import Settings, split_classes
from data_prep.sources.collection import ImageCollection
from data_prep.sources.formats import matlab_file
from data_prep.sources.formats.image_names import check_names, ids_of_paths
from data_prep.sources.public_set import PublicFile, PublicSet
from data_prep.sources.source import Source, tables_inside

TABLES = ("train_list.mat", "test_list.mat")


def find_tables(images_dir: str) -> list[str]:
    """Paths of the two lists, in `images_dir` or in lists/ in it.

    Raises:
        FileNotFoundError: if there is none in either folder.
    """
    tables = []
    for name in TABLES:
        places = [os.path.join(images_dir, "lists", name), os.path.join(images_dir, name)]
        found = [place for place in places if os.path.isfile(place)]
        if not found:
            raise FileNotFoundError(f"dataset=dogs needs {' and '.join(TABLES)} in `images_dir` or in lists/ "
                                    f"in it. Received: no file {places[0]}.")
        tables.append(found[0])
    return tables


def read_collection(images_dir: str, class_split: str) -> ImageCollection:
    """The splits `train` and `test`; the id of an image is `class/name`.

    The label of an image is the number of its class in the lists and the name of its folder, such as
    `001.n02085620-Chihuahua`.

    Args:
        images_dir: the folder of Images/ and of the lists.
        class_split: see `split_classes`.

    Raises:
        ValueError: if a list is not as published, or the lists disagree.
        FileNotFoundError: if a list does not exist.
    """
    tables = find_tables(images_dir)
    lists = [_read(path) for path in tables]
    names = [name for listed, _ in lists for name in listed]
    labels = np.concatenate([listed for _, listed in lists])
    check_names(names, " and ".join(tables))
    class_names = _class_names(names, labels, tables)
    path_of = ids_of_paths(names, "Images")
    is_train = np.arange(len(names)) < len(lists[0][0])
    return split_classes(list(path_of), labels, class_names, is_train, class_split,
                         lambda image_id: os.path.join("Images", path_of[image_id]))


def _class_names(names: list[str], labels: np.ndarray, tables: list[str]) -> list[str]:
    folder_of: dict[int, str] = {}
    for name, label in zip(names, labels.tolist()):
        folder = name.rsplit("/", 1)[0] if "/" in name else ""
        if folder_of.setdefault(label, folder) != folder or not folder:
            raise ValueError(f"Images of {' and '.join(tables)} must lie in one folder a class. Received: "
                             f"{name!r} in class {label} of folder {folder_of[label]!r}.")
    outside = [label for label in folder_of if not 1 <= label <= len(folder_of)]
    if outside or len(set(folder_of.values())) < len(folder_of):
        raise ValueError(f"Labels of {' and '.join(tables)} must be 1, 2, ..., one for each of the folders. "
                         f"Received: {len(set(folder_of.values()))} folders, labels from {min(folder_of)} to "
                         f"{max(folder_of)}.")
    return [f"{label:03d}.{folder_of[label]}" for label in range(1, len(folder_of) + 1)]


def _read(path: str) -> tuple[list[str], np.ndarray]:
    stored = matlab_file.read_variables(path, ("file_list", "labels"))
    names, labels = list(stored["file_list"]), np.ravel(stored["labels"])
    if not names or len(names) != len(labels) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"{path} must have the name of at least one file and a label for each. "
                         f"Received: {len(names)} entries of file_list, {len(labels)} labels.")
    if labels.dtype.kind not in "iuf" or not np.array_equal(labels, labels.astype(np.int64)):
        raise ValueError(f"Labels of {path} must be integers. Received: {labels.dtype} values such as "
                         f"{labels[0]}.")
    return names, labels.astype(np.int64)


_URL = "http://vision.stanford.edu/aditya86/ImageNetDogs"

SOURCE = Source(
    layout="the set's own, with Images/", settings=Settings, lists_all=True, marks=("Images",),
    pretraining_set="ImageNet",
    read=lambda config: read_collection(config.images_dir, config.class_split),
    tables=lambda config: tables_inside(*find_tables(config.images_dir)),
    public_sets={"dogs": PublicSet(  # 20,580 images
        homepage=_URL,
        files=(PublicFile(_URL, "images.tar", size=793_579_520, md5="1bb1f2a596ae7057f99d7d75860002ef",
                          sha256="a443fc2f9a851aa1a7b8e4fa4af94b8459fce2c9f5a2f4dd4669cf9673a4ec58"),
               PublicFile(_URL, "annotation.tar", size=21_852_160, md5="4298cc0031f6bc6e74612ac83b5988e2",
                          sha256="662ed36f707be6b195c2fda392d8e153e83af28cedc8e2134a649f198def30fd"),
               PublicFile(_URL, "lists.tar", size=481_280, md5="edbb9f16854ec66506b5f09b583e0656",
                          sha256="34b47cacd9a98b5d150e084f24d29391c084c55272295ec65c85651bc35f4d6c")),
        next_command="python -m data_prep.build_tfrecords --dataset=dogs {images} --output_dir={dir}/shards",
        unpack_dir="unpacked", unpacked_images="--images_dir={dir}/unpacked", unpack=True)})
