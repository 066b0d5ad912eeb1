"""Settings of an index: flat, frozen, checked where they are made."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from delg.settings.kinds import INDEX_KINDS

AUTO = "auto"  # the type that fits the number of images
GLOBAL_DESCRIPTORS, LOCAL_FEATURES = "global descriptors", "local features"  # what images are ranked by
DESCRIPTOR_DTYPES = ("float32", "float16")
MILLION = 1_000_000


@dataclasses.dataclass(frozen=True)
class IndexConfig:
    """How neighbours are found.

    Defaults are chosen on the clusters of tests.benchmarks.bench_search; those of asmk and binary_asmk are of
    Tolias et al., "Image Search with Selective Match Kernels", IJCV 2016, where nothing else is said.
    """

    index_type: str = "auto"  # exact, binary, ivf, hnsw, asmk, binary_asmk; auto: exact, a million up ivf
    descriptor_dtype: str = "float32"  # as stored; float16: half the file, but slower; not for binary_asmk
    num_candidates: int = 800  # images re-scored exactly per query, more if more results are asked for
    reduced_dimension: int = 256  # principal components searched by ivf and hnsw; 0: all dimensions
    num_lists: int = 0  # of ivf; 0: the power of two nearest to 4 * sqrt(images)
    num_probes: int = 64  # of ivf: lists looked at per query
    num_links: int = 32  # of hnsw: links of an image
    search_breadth: int = 800  # of hnsw: images kept in sight while walking; num_candidates at least
    num_training_images: int = 200_000  # sampled once for mean, components and lists
    num_codewords: int = 0  # of asmk; 0: a power of two, 40 or more training descriptors each, 65536 at most
    num_assignments: int = 5  # of asmk: codewords that a query's descriptor belongs to
    asmk_alpha: float = 3.0  # of asmk: exponent of a codeword's similarity
    asmk_threshold: float = 0.0  # of asmk: a codeword's similarity has to be above, in [-1, 1)
    asmk_idf: bool = False  # of asmk: whether rare codewords weigh more
    codebook_features: str = ""  # of asmk: features the codewords are learnt from; empty: those of the index
    num_training_descriptors: int = 2_621_440  # of asmk: sampled for the codewords; chosen
    seed: int = 0

    def __post_init__(self):
        for name, allowed in (("index_type", (AUTO, *INDEX_KINDS)),
                              ("descriptor_dtype", DESCRIPTOR_DTYPES)):
            if getattr(self, name) not in allowed:
                raise ValueError(f"`{name}` must be one of {', '.join(allowed)}. "
                                 f"Received: {name}={getattr(self, name)!r}.")
        for name, least in (("num_candidates", 1), ("reduced_dimension", 0), ("num_lists", 0),
                            ("num_probes", 1), ("num_links", 2), ("search_breadth", 1),
                            ("num_training_images", 1), ("num_codewords", 0), ("num_assignments", 1),
                            ("num_training_descriptors", 1), ("seed", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"`{name}` must be at least {least}. "
                                 f"Received: {name}={getattr(self, name)}.")

        if self.asmk_alpha <= 0:
            raise ValueError(f"`asmk_alpha` must be above 0. Received: asmk_alpha={self.asmk_alpha}.")
        if not -1 <= self.asmk_threshold < 1:
            raise ValueError("`asmk_threshold` must be in [-1, 1). "
                             f"Received: asmk_threshold={self.asmk_threshold}.")

    def with_codewords(self, num_descriptors: int) -> IndexConfig:
        """The same with a number of codewords, for this number of training descriptors."""
        chosen = self.num_codewords or 1 << max(0, min(16, int(math.log2(max(1, num_descriptors / 40)))))
        return dataclasses.replace(self, num_codewords=chosen)

    def type_for(self, num_images: int) -> str:
        """The type of index, `auto` replaced by the type that is meant at this number of images."""
        if self.index_type != AUTO:
            return self.index_type
        starts = {kind.automatic_from: name for name, kind in INDEX_KINDS.items()
                  if kind.automatic_from is not None}
        return starts[max(start for start in starts if start <= num_images)]

    def resolved(self, num_images: int) -> IndexConfig:
        """The same with `auto` and zeros replaced by what they stand for at this number of images."""
        num_lists = self.num_lists
        if num_lists == 0:
            num_lists = 1 << round(math.log2(4 * max(1, num_images)**0.5))
        num_lists = min(num_lists, max(1, num_images // 4))
        return dataclasses.replace(self, index_type=self.type_for(num_images), num_lists=num_lists)


def ranked_by(index_type: str) -> str:
    """What an index of this type ranks images by: their global descriptors or their local features."""
    return INDEX_KINDS[index_type].ranked_by


def read_config(description: dict[str, Any]) -> IndexConfig:
    """Settings in an index's description.

    Raises:
        ValueError: if they are others than those of today.
    """
    try:
        return IndexConfig(**description["config"])
    except TypeError as error:
        raise ValueError(f"index.json must hold the settings of an index. Received: {error}.") from error
