"""Any collection laid out as a folder per class: IMAGES_DIR/<class>/.../<name>.jpg."""

from __future__ import annotations

import os

import numpy as np

from data_prep.labels import LabelledImages

SUFFIXES = (".jpg", ".jpeg", ".png")  # in any case; other files are not looked at


def read_images(images_dir: str) -> LabelledImages:
    """The images below the folders of `images_dir`; the first folder is the class, and ids are paths.

    Raises:
        ValueError: if there is no folder with an image, or two images differ only in their suffix.
        FileNotFoundError: if `images_dir` does not exist.
    """
    if not os.path.isdir(images_dir):
        raise FileNotFoundError(f"`images_dir` must be a folder. Received: images_dir={images_dir}.")
    paths: dict[str, str] = {}
    for folder, folders, names in os.walk(images_dir):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        inside = os.path.relpath(folder, images_dir)
        for name in sorted(names):
            stem, suffix = os.path.splitext(name)
            if inside == "." or name.startswith(".") or suffix.lower() not in SUFFIXES:
                continue
            image_id = "/".join([*inside.split(os.sep), stem])
            if image_id in paths:
                raise ValueError("Images of a folder must differ in more than their suffix. Received: "
                                 f"{os.path.join(images_dir, paths[image_id])} and {name}.")
            paths[image_id] = os.path.join(inside, name)
    if not paths:
        raise ValueError("`images_dir` must have a folder per class with images "
                         f"({', '.join(SUFFIXES)}) in it. Received: none in {images_dir}.")
    landmarks = np.array([image_id.split("/", 1)[0] for image_id in paths])
    return LabelledImages(list(paths), landmarks, paths.__getitem__)
