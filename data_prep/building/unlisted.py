"""Images that lie in a folder though no table lists them: often a sign of the wrong table or folder."""

from __future__ import annotations

import os
from typing import Any

from absl import logging

from data_prep.building.config import BuildConfig
from data_prep.sources.collection import ImageCollection
from data_prep.sources.formats.image_names import find_images
from data_prep.sources.source import SOURCES

_MAX_EXAMPLES = 10


def find_unlisted(config: BuildConfig, collection: ImageCollection, num_found: int) -> dict[str, Any]:
    """How many images below the folder of images are in no table, and some of their paths.

    The names are compared only if there are more images than were found by the tables.

    Args:
        config: of the build.
        collection: what the tables list.
        num_found: images of the tables that were there.
    """
    nothing = {"count": 0, "examples": []}
    if not SOURCES[config.dataset].lists_all or config.from_tars:
        return nothing
    try:
        num_there = sum(1 for _ in find_images(config.images_dir))
    except ValueError as error:  # links in a loop
        logging.warning("Images that no table lists were not looked for: %s", error)
        return nothing
    if num_there <= num_found:
        return nothing
    listed = {os.path.normpath(collection.path_of(image_id))
              for split in collection.splits for image_id in split.ids}
    count, examples = 0, []
    for path in find_images(config.images_dir):
        if path not in listed:
            count += 1
            if len(examples) < _MAX_EXAMPLES:
                examples.append(path)
    return {"count": count, "examples": sorted(examples)}
