"""From the settings of a build to the images of its source, and to the tables it reads."""

from __future__ import annotations

from data_prep.building.config import BuildConfig
from data_prep.sources.collection import ImageCollection
from data_prep.sources.source import SOURCES


def read_collection(config: BuildConfig) -> ImageCollection:
    """The images that the tables or folders of a set name, whether their files exist or not.

    Raises:
        ValueError: for tables and folders that are not as they should be.
        FileNotFoundError: if a table, or a folder that has to be searched, does not exist.
    """
    return SOURCES[config.dataset].read(config)


def source_files(config: BuildConfig) -> dict[str, str]:
    """Path of each table a build reads, by its flag or, for a table of a set's own folder, its file name.

    Raises:
        FileNotFoundError: if a table does not exist.
    """
    return SOURCES[config.dataset].tables(config)
