"""Any collection laid out as a folder per class: IMAGES_DIR/<class>/.../<name>.jpg."""

from __future__ import annotations

import os

import numpy as np

from data_prep.labels import LabelledImages
from data_prep.sources.image_names import SUFFIXES, find_images, ids_of_paths


def read_images(images_dir: str) -> LabelledImages:
    """The images below the folders of `images_dir`; the first folder is the class, and ids are paths.

    Raises:
        ValueError: if there is no folder with an image, or two images differ only in their suffix.
        FileNotFoundError: if `images_dir` does not exist.
    """
    paths = (path for path in find_images(images_dir) if os.sep in path)
    path_of = ids_of_paths(paths, images_dir)
    if not path_of:
        raise ValueError("`images_dir` must have a folder per class with images "
                         f"({', '.join(SUFFIXES)}) in it. Received: none in {images_dir}.")
    landmarks = np.array([image_id.split("/", 1)[0] for image_id in path_of])
    return LabelledImages(list(path_of), landmarks, path_of.__getitem__)
