"""Photographs of one thing, brought together: the groups of a folder, as CSV and as JSON."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np

from data_prep.sources.formats.image_names import printable
from data_prep.sources.formats.tables import writing_rows
from data_prep.stage import files
from delg.features.reader import FeatureReader
from delg.geometry.verdict import verdict_for
from delg.index.building import load_index
from delg.photos.collection import Collection
from delg.photos.same_picture import LEAST_SIMILARITY, are_one_picture
from delg.search import grouping
from delg.settings.search import SearchConfig


class Group(NamedTuple):
    """Photographs of one thing.

    Attributes:
        images: their paths.
        medoid: the one most like all of them.
        same_file: sets of images whose files are equal.
        same_picture: pairs of other images that are one picture at another size or in another encoding.
    """

    images: list[str]
    medoid: str
    same_file: list[list[str]]
    same_picture: list[list[str]]


def group_images(collection: Collection, config: SearchConfig, verdict: str = "") -> list[Group]:
    """The photographs of a collection in groups, each in one, those alone too.

    Args:
        collection: opened.
        config: how pairs are verified; its `num_neighbors` is how many each photograph is compared with.
        verdict: path of a model of verdicts; empty: the one of the package.
    """
    with FeatureReader(collection.features_dir) as images:
        local_index_dir = collection.local_index_dir
        same = grouping.same_pairs(images, load_index(collection.index_dir),
                                   verdict_for(bool(local_index_dir), verdict), config,
                                   load_index(local_index_dir) if local_index_dir else None)
        paths = [collection.path_of(image_id) for image_id in images.ids]
        sha256 = [collection.folder.sha256[image_id] for image_id in images.ids]
        number = grouping.components(len(paths), same)
        medoids = grouping.medoids(number, images.global_descriptors)
    pictures = [(one, other) for one, other in same.rows[same.similarities >= LEAST_SIMILARITY]
                if sha256[one] != sha256[other] and number[one] == number[other]
                and are_one_picture(paths[one], paths[other])]
    groups = []
    for group, medoid in enumerate(medoids):
        rows = sorted(np.flatnonzero(number == group), key=lambda row: sha256[row])
        equal = [list(some) for _, some in itertools.groupby(rows, key=lambda row: sha256[row])]
        groups.append(Group(sorted(paths[row] for row in rows), paths[medoid],
                            [sorted(paths[row] for row in some) for some in equal if len(some) > 1],
                            [sorted((paths[one], paths[other])) for one, other in pictures
                             if number[one] == group]))
    return groups


def write_csv(path: str, groups: list[Group]) -> None:
    """Writes `image,group`, a row per image, groups numbered from 0; whole or not at all."""
    with writing_rows(path) as writer:
        writer.writerow(("image", "group"))
        writer.writerows((printable(image), number) for number, group in enumerate(groups)
                         for image in group.images)


def write_json(path: str, groups: list[Group]) -> None:
    """Writes {"groups": [{"images", "medoid", "same_file", "same_picture"}]}, whole or not at all."""
    files.write_json(path, {"groups": [group._asdict() for group in groups]})
