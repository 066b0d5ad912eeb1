"""Settings of an index of binary codes: those of all types; each stand with their type."""

from __future__ import annotations

import dataclasses

from data_prep.stage.table import settings_of
from hashing.index.kinds import CODE_INDEX_KINDS


@dataclasses.dataclass(frozen=True)
class CodeIndexConfig(*settings_of(CODE_INDEX_KINDS)):
    """How neighbours are found. Defaults chosen on the codes of tests.benchmarks.bench_hamming."""
