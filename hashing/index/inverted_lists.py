"""Only the lists whose centres are nearest to the query are looked through."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from data_prep.stage.lazy_module import LazyModule
from data_prep.stage.settings import setting
from hashing.index.finder import CommonConfig, FaissFinder

faiss = LazyModule("faiss")

_TRAINING_CODES_PER_LIST = 50  # chosen; FAISS warns below 39


@dataclasses.dataclass(frozen=True)
class ListConfig(CommonConfig):
    """Settings of inverted lists."""

    num_lists: int = setting(
        0, help="lists of ivf; 0: the power of two nearest to the square root of the codes, at most 4096",
        range="[0, inf)")
    num_probes: int = setting(64, help="lists of ivf that are looked at per query", range="[1, inf)")


class ListFinder(FaissFinder):
    """Codes in `num_lists` lists by their nearest centre, of which `num_probes` are searched."""

    settings = ListConfig
    faiss_class = "IndexBinaryIVF"

    @classmethod
    def train(cls, codes: np.ndarray, config: ListConfig) -> ListFinder:
        code_size = 8 * codes.shape[1]
        num_lists = config.num_lists or min(4096, 1 << round(math.log2(max(1, len(codes))**0.5)))
        num_lists = max(1, min(num_lists, len(codes)))
        quantizer = faiss.IndexBinaryFlat(code_size)
        index = faiss.IndexBinaryIVF(quantizer, code_size, num_lists)
        index.own_fields = True
        quantizer.this.disown()
        index.cp.seed = config.seed
        index.cp.min_points_per_centroid = 1  # few points are our business: no warnings
        generator = np.random.default_rng(config.seed)
        count = min(len(codes), num_lists * _TRAINING_CODES_PER_LIST)
        if count:
            index.train(codes[np.sort(generator.choice(len(codes), count, replace=False))])
        finder = cls(index)
        finder.set_effort(config)
        return finder

    def set_effort(self, config: ListConfig) -> None:
        self.faiss_index.nprobe = config.num_probes
