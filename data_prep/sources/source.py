"""The kinds of image sets: one `Source` record each, written in the module of the set, and their table.

Flags, help, checks, the reading of a build, the count of images that no table lists, the check of the ground
truth and the downloads all ask the record. docs/extending/data_set.md walks through adding one.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from typing import Any

from data_prep.sources.collection import ImageCollection
from data_prep.sources.public_set import PublicSet
from data_prep.stage.table import Table


def _no_rule(_: Any) -> None:
    pass


def _no_tables(_: Any) -> dict[str, str]:
    return {}


def ids_of_path(path: str) -> list[str]:
    """The ids that an image may have where its set has no form of its own: its path, whole or in parts."""
    names = [path] + ([path[len("jpg/"):]] if path.startswith("jpg/") else [])
    return [form for name in names for form in (name, os.path.splitext(name)[0])]


@dataclasses.dataclass(frozen=True)
class Source:
    """A kind of image set: how it lies on the disk, what it is asked for, and where it is published.

    The functions take the settings of a build: those of every build, such as `images_dir` and `seed`, and
    those of this set, all as attributes of one object.

    Attributes:
        layout: what `images_dir` is, for the help of its flag, without a full stop.
        read: the images that the tables or folders name, whether their files exist or not. Raises ValueError
            for tables and folders that are not as they should be, FileNotFoundError for those not there.
        settings: frozen dataclass of the set's own settings, each declared by `setting` with a default and a
            help that begins with the name of the set. Two sets may share one. Each becomes a flag.
        check: raises ValueError for settings that make no sense together.
        tables: path of each table that a build reads, by its setting or, for a table of the set's own
            folder, its file name. Raises FileNotFoundError for one that does not exist.
        lists_all: whether every image of the folder is to be in a table, so that others are counted as
            unlisted: often a sign of the wrong table or folder.
        reads_tars: whether the images may be read out of tar files, by `from_tars`.
        has_boxes: whether the queries have boxes in stored pixels, so that no image may be turned.
        ids_of_path: the ids that an image left out may have had, where only its path is known.
        marks: files or folders by which the set's own folder is known.
        public_sets: what is published of it, by the name that `data_prep.download` takes.
        pretraining_set: the set that backbones are pretrained on and that has these images too, so that
            figures on them are too good; empty: none is known.
    """

    layout: str
    read: Callable[[Any], ImageCollection]
    settings: type | None = None
    check: Callable[[Any], None] = _no_rule
    tables: Callable[[Any], dict[str, str]] = _no_tables
    lists_all: bool = False
    reads_tars: bool = False
    has_boxes: bool = False
    ids_of_path: Callable[[str], list[str]] = ids_of_path
    marks: tuple[str, ...] = ()
    public_sets: Mapping[str, PublicSet] = dataclasses.field(default_factory=dict)
    pretraining_set: str = ""


SOURCES: Table[Source] = Table("data set", {
    "gldv2": "data_prep.sources.gldv2:SOURCE",
    "revisited": "data_prep.sources.revisited:SOURCE",
    "cub": "data_prep.sources.cub:SOURCE",
    "dogs": "data_prep.sources.dogs:SOURCE",
    "day_night": "data_prep.sources.day_night:SOURCE",
    "folder": "data_prep.sources.folder:SOURCE",
    "landmarks": "data_prep.sources.landmarks:SOURCE",
    "list": "data_prep.sources.image_list:SOURCE",
    "distractors": "data_prep.sources.distractors:SOURCE",
})


def own_settings() -> list[type]:
    """The dataclasses of the sets' own settings, each once, in the order of the table."""
    return list(dict.fromkeys(source.settings for source in SOURCES.values() if source.settings))


def sets_of(name: str) -> list[str]:
    """The sets that have a setting of their own of this name; none: every set has it."""
    return [key for key, source in SOURCES.items() if source.settings
            and name in {field.name for field in dataclasses.fields(source.settings)}]


def tables_given(config: Any, *names: str) -> dict[str, str]:
    """Path of each table that was given, by its setting: a part of `Source.tables`."""
    return {name: getattr(config, name) for name in names if getattr(config, name)}


def tables_inside(*paths: str) -> dict[str, str]:
    """Path of each table of a set's own folder that exists, by its file name: a part of `Source.tables`."""
    return {os.path.basename(path): path for path in paths if os.path.isfile(path)}


def need(config: Any, name: str, reason: str) -> None:
    """Refuses a build without a setting: a part of `Source.check`.

    Raises:
        ValueError: naming the setting and the reason, such as "dataset=list".
    """
    if not getattr(config, name):
        raise ValueError(f"{reason} needs `{name}`. Received: none.")
