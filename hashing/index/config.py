"""Settings of an index of binary codes."""

from __future__ import annotations

import dataclasses

from data_prep.stage.settings import check_fields, setting
from data_prep.stage.table import Table

CODE_INDEX_KINDS = Table("type of code index", {  # classes: hashing.index.finder.CodeFinder
    "flat": "hashing.index.flat:FlatFinder",
    "ivf": "hashing.index.inverted_lists:ListFinder",
    "hash": "hashing.index.hash_tables:HashTableFinder",
})


@dataclasses.dataclass(frozen=True)
class CodeIndexConfig:
    """How neighbours are found. Defaults chosen on the codes of tests.benchmarks.bench_hamming."""

    index_type: str = setting(
        "flat", help="how neighbours are found; flat: every code is compared; ivf: those of the lists whose "
        "centres are nearest; hash: those in the buckets of several substrings", choices=CODE_INDEX_KINDS)
    num_lists: int = setting(
        0, help="lists of ivf; 0: the power of two nearest to the square root of the codes, at most 4096",
        range="[0, inf)")
    num_probes: int = setting(64, help="lists of ivf that are looked at per query", range="[1, inf)")
    num_tables: int = setting(4, help="substrings of the code that hash looks up", range="[1, inf)")
    num_flips: int = setting(2, help="bits of a substring that may differ in hash", range="[0, inf)")
    seed: int = setting(0, help="seed of the clustering into lists", range="[0, inf)")

    def __post_init__(self):
        check_fields(self)
