"""Settings of an index: those of all types in one flat set; each stand with the record of their type."""

from __future__ import annotations

import dataclasses
from typing import Any

from data_prep.stage.stored_settings import from_stored
from data_prep.stage.table import settings_of
from delg.settings.kinds import INDEX_KINDS


@dataclasses.dataclass(frozen=True)
class IndexConfig(*settings_of(INDEX_KINDS)):
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
