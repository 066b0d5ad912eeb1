"""Images to hide others among, without labels, such as the million of Revisited Oxford/Paris (R1M)."""

from __future__ import annotations

import os
from typing import Any

from data_prep.sources.collection import ImageCollection, SplitImages
from data_prep.sources.formats.image_names import SUFFIXES, find_images, ids_of_paths
from data_prep.sources.image_list import Settings, read_entries
from data_prep.sources.public_set import PublicFile, PublicSet
from data_prep.sources.source import Source, need, tables_given


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
    passed_over: dict[str, str] = {}
    if image_list:
        paths, labels = read_entries(image_list, folder)
        if labels is not None:
            raise ValueError(f"Lines of {image_list} must hold a path and no label for dataset=distractors. "
                             f"Received: label {labels[0]!r}.")
    else:
        paths = find_images(folder, passed_over)
    path_of = ids_of_paths(paths, folder)
    if not path_of:
        raise ValueError(f"`images_dir` must have images ({', '.join(SUFFIXES)}) in it or below. "
                         f"Received: none in {images_dir}.")
    return ImageCollection([SplitImages("index", list(path_of))],
                           lambda image_id: os.path.join(inside, path_of[image_id]),
                           passed_over=passed_over)


def _check(config: Any) -> None:
    if config.from_tars:
        need(config, "image_list", "dataset=distractors with `from_tars`")


_URL = "http://ptak.felk.cvut.cz/revisitop/revisitop1m"

SOURCE = Source(
    layout="the one with jpg/ or the images, in folders of any depth", settings=Settings, check=_check,
    reads_tars=True, read=lambda config: read_collection(config.images_dir, config.image_list),
    tables=lambda config: tables_given(config, "image_list"),
    public_sets={"distractors": PublicSet(  # 1,001,001 images, without labels
        homepage="http://cmp.felk.cvut.cz/revisitop",
        files=(PublicFile(_URL, "revisitop1m.txt"), *(
            PublicFile(f"{_URL}/jpg", f"revisitop1m.{part}.tar.gz", part=part) for part in range(1, 101))),
        next_command="python -m data_prep.build_tfrecords --dataset=distractors {images} "
                     "--output_dir={dir}/shards",
        unpack_dir="jpg", unpacked_images="--images_dir={dir}/jpg", unpack=True)})
