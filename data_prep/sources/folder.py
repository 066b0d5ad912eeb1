"""Any collection laid out as a folder per class: IMAGES_DIR/<class>/.../<name>.jpg."""

from __future__ import annotations

import dataclasses
import os

import numpy as np

from data_prep.sources.collection import ImageCollection, SplitImages
from data_prep.sources.formats.image_names import SUFFIXES, find_images, ids_of_paths
from data_prep.sources.labels import LabelledImages, split_images
from data_prep.sources.source import Source
from data_prep.stage.settings import setting


@dataclasses.dataclass(frozen=True)
class Settings:
    """Whether some images are kept to test on."""

    test_image_fraction: float = setting(
        0.0, help="folder: share of the images of each class that goes to the split test", range="[0, 1)")


def read_collection(images_dir: str, test_fraction: float, seed: int) -> ImageCollection:
    """The images of `read_images` as a split `train`, and with a fraction above 0 a split `test`.

    Args:
        images_dir: folder of the classes' folders.
        test_fraction: of the images of each class, as near as can be; a class keeps one to train on.
        seed: of the choice.

    Raises:
        as `read_images`; ValueError if no class has an image to spare for the split `test`.
    """
    passed_over: dict[str, str] = {}
    images = read_images(images_dir, passed_over)
    _, labels = np.unique(images.landmarks, return_inverse=True)
    parts = split_images(labels, int(labels.max()) + 1, test_fraction, seed)
    if test_fraction and "validation" not in parts:
        raise ValueError("`test_image_fraction` must take an image of some class of two or more. "
                         f"Received: test_image_fraction={test_fraction}, {len(labels)} images.")
    names = {"train": "train", "validation": "test"}  # of the parts of the one and the other function
    return ImageCollection([SplitImages(names[part], [images.ids[row] for row in np.sort(rows)],
                                        landmarks=images.landmarks[np.sort(rows)])
                            for part, rows in parts.items()], images.path_of, passed_over=passed_over)


def read_images(images_dir: str, passed_over: dict[str, str] | None = None) -> LabelledImages:
    """The images below the folders of `images_dir`; the first folder is the class, and ids are paths.

    Args:
        images_dir: folder of the classes' folders.
        passed_over: is filled: path -> reason of images that are not read, and of folders without an image.

    Raises:
        ValueError: if there is no folder with an image, two images differ only in their suffix, or links lead
            to a folder twice.
        FileNotFoundError: if `images_dir` does not exist.
    """
    passed_over = {} if passed_over is None else passed_over
    paths = [path for path in find_images(images_dir, passed_over) if os.sep in path]
    classes = {path.split(os.sep, 1)[0] for path in paths}
    passed_over.update({f"{name}{os.sep}": "no image that is read in this folder" for name in
                        sorted(os.listdir(images_dir)) if name not in classes and not name.startswith(".")
                        and os.path.isdir(os.path.join(images_dir, name))})
    path_of = ids_of_paths(paths, images_dir)
    if not path_of:
        raise ValueError("`images_dir` must have a folder per class with images "
                         f"({', '.join(SUFFIXES)}) in it. Received: none in {images_dir}.")
    landmarks = np.array([image_id.split("/", 1)[0] for image_id in path_of])
    return LabelledImages(list(path_of), landmarks, path_of.__getitem__)


SOURCE = Source(
    layout="the one of the classes", settings=Settings,
    read=lambda config: read_collection(config.images_dir, config.test_image_fraction, config.seed))
