"""Settings of an index: flat, frozen, checked where they are made."""

from __future__ import annotations

import dataclasses
import math

INDEX_TYPES = ("exact", "binary", "ivf", "hnsw")
DESCRIPTOR_DTYPES = ("float32", "float16")
MILLION = 1_000_000


@dataclasses.dataclass(frozen=True)
class IndexConfig:
    """How neighbours are found. Defaults are chosen, on the clusters of tests.benchmarks.bench_search."""

    index_type: str = "auto"  # exact, binary, ivf, hnsw; auto: exact below a million images, else ivf
    descriptor_dtype: str = "float32"  # as stored; float16: half the file, several times slower if exact
    num_candidates: int = 800  # images re-scored exactly per query; not for exact
    reduced_dimension: int = 256  # principal components searched by ivf and hnsw; 0: all dimensions
    num_lists: int = 0  # of ivf; 0: the power of two nearest to 4 * sqrt(images)
    num_probes: int = 64  # of ivf: lists looked at per query
    num_links: int = 32  # of hnsw: links of an image
    search_breadth: int = 800  # of hnsw: images kept in sight while walking; num_candidates at least
    num_training_images: int = 200_000  # sampled once for mean, components and lists
    seed: int = 0

    def __post_init__(self):
        for name, allowed in (("index_type", ("auto", *INDEX_TYPES)),
                              ("descriptor_dtype", DESCRIPTOR_DTYPES)):
            if getattr(self, name) not in allowed:
                raise ValueError(f"`{name}` must be one of {', '.join(allowed)}. "
                                 f"Received: {name}={getattr(self, name)!r}.")
        for name, least in (("num_candidates", 1), ("reduced_dimension", 0), ("num_lists", 0),
                            ("num_probes", 1), ("num_links", 2), ("search_breadth", 1),
                            ("num_training_images", 1), ("seed", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"`{name}` must be at least {least}. "
                                 f"Received: {name}={getattr(self, name)}.")

    def resolved(self, num_images: int) -> IndexConfig:
        """The same with `auto` and zeros replaced by what they stand for at this number of images."""
        index_type, num_lists = self.index_type, self.num_lists
        if index_type == "auto":
            index_type = "exact" if num_images < MILLION else "ivf"
        if num_lists == 0:
            num_lists = 1 << round(math.log2(4 * max(1, num_images)**0.5))
        num_lists = min(num_lists, max(1, num_images // 4))
        return dataclasses.replace(self, index_type=index_type, num_lists=num_lists)
