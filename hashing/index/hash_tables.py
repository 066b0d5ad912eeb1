"""Only the buckets of several substrings of the query are looked through."""

from __future__ import annotations

import dataclasses

import numpy as np

from data_prep.stage.lazy_module import LazyModule
from data_prep.stage.settings import setting
from hashing.index.finder import CommonConfig, FaissFinder

faiss = LazyModule("faiss")


@dataclasses.dataclass(frozen=True)
class HashTableConfig(CommonConfig):
    """Settings of hash tables."""

    num_tables: int = setting(4, help="substrings of the code that hash looks up", range="[1, inf)")
    num_flips: int = setting(2, help="bits of a substring that may differ in hash", range="[0, inf)")


class HashTableFinder(FaissFinder):
    """A hash table for each of `num_tables` substrings of the code, of which `num_flips` bits may differ.

    Source: Norouzi, Punjani and Fleet, "Fast Exact Search in Hamming Space with Multi-Index Hashing", TPAMI
    2014 (here with a fixed number of flips, so that some neighbours are missed).
    """

    settings = HashTableConfig
    faiss_class = "IndexBinaryMultiHash"

    @classmethod
    def train(cls, codes: np.ndarray, config: HashTableConfig) -> HashTableFinder:
        code_size = 8 * codes.shape[1]
        bits = code_size // config.num_tables
        if not 1 <= bits <= 32 or config.num_flips > bits:
            raise ValueError("`num_tables` must cut a code into pieces of 1 to 32 bits, no fewer than "
                             f"`num_flips`. Received: num_tables={config.num_tables}, "
                             f"num_flips={config.num_flips}, {code_size} bits.")
        finder = cls(faiss.IndexBinaryMultiHash(code_size, config.num_tables, bits))
        finder.set_effort(config)
        return finder

    def set_effort(self, config: HashTableConfig) -> None:
        self.faiss_index.nflip = config.num_flips
