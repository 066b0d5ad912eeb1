"""Settings of an index: those of all types in one flat set; each stand with the record of their type."""

from __future__ import annotations

import dataclasses
from typing import Any

from data_prep.stage.stored_settings import from_stored
from delg.settings.kinds import INDEX_KINDS


def _settings_of_types() -> list[type]:
    """The settings classes of all records but those that others extend, the last record's first."""
    found = dict.fromkeys(kind.settings for kind in reversed(list(INDEX_KINDS.values())))
    return [settings for settings in found
            if not any(other is not settings and issubclass(other, settings) for other in found)]


@dataclasses.dataclass(frozen=True)
class IndexConfig(*_settings_of_types()):
    """How neighbours are found.

    Defaults are chosen on the clusters of tests.benchmarks.bench_search; those of asmk and binary_asmk are of
    Tolias et al., "Image Search with Selective Match Kernels", IJCV 2016, where nothing else is said.
    """


def read_config(description: dict[str, Any]) -> IndexConfig:
    """Settings in an index's description.

    Raises:
        ValueError: if there are some that this version does not know.
    """
    return from_stored(IndexConfig, description["config"], "index.json")
