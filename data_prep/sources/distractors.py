"""Images to hide others among, without labels, such as the million of Revisited Oxford/Paris (R1M)."""

from __future__ import annotations

import os

from data_prep.sources.collection import ImageCollection, SplitImages
from data_prep.sources.formats.image_names import SUFFIXES, find_images, ids_of_paths
from data_prep.sources.image_list import read_entries


def read_collection(images_dir: str, image_list: str) -> ImageCollection:
    """The images of the list, or all below `images_dir` where there is no list, as a split `index`.

    Images lie in `images_dir` or, where there is one, in the folder jpg/ in it, in folders of any depth. The
    id of an image is its path from there on, without suffix.

    Raises:
        ValueError: if there is no image, a name could lead elsewhere, or two differ only in their suffix.
        FileNotFoundError: if the list or the folder to be searched does not exist.
    """
    inside = "jpg" if images_dir and os.path.isdir(os.path.join(images_dir, "jpg")) else ""
    folder = os.path.join(images_dir, inside)
    if image_list:
        paths, labels = read_entries(image_list, folder)
        if labels is not None:
            raise ValueError(f"Lines of {image_list} must hold a path and no label for dataset=distractors. "
                             f"Received: label {labels[0]!r}.")
    else:
        paths = find_images(folder)
    path_of = ids_of_paths(paths, folder)
    if not path_of:
        raise ValueError(f"`images_dir` must have images ({', '.join(SUFFIXES)}) in it or below. "
                         f"Received: none in {images_dir}.")
    return ImageCollection([SplitImages("index", list(path_of))],
                           lambda image_id: os.path.join(inside, path_of[image_id]))
