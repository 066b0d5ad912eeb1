"""Settings of an index: flat, frozen, checked where they are made."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from data_prep.stage.settings import check_fields, setting
from data_prep.stage.stored_settings import from_stored
from data_prep.stage.table import AutoOr
from delg.settings.kinds import INDEX_KINDS, INDEX_SETTINGS

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

    index_type: str = setting(
        AUTO, help="how neighbours are found: by comparison with every image, among candidates found first, "
        "or by local features; auto: what fits the number of images", choices=AutoOr(INDEX_KINDS))
    descriptor_dtype: str = setting(
        "float32", help="type that descriptors are stored in; float16: half the file, but slower; not for "
        "binary_asmk", choices=DESCRIPTOR_DTYPES)
    num_candidates: int = setting(
        800, help="images re-scored exactly per query, more if more results are asked for", range="[1, inf)")
    reduced_dimension: int = setting(
        256, help="principal components searched by ivf and hnsw; 0: all dimensions", range="[0, inf)")
    num_lists: int = setting(
        0, help="lists of ivf; 0: the power of two nearest to 4 * sqrt(images)", range="[0, inf)")
    num_probes: int = setting(64, help="lists of ivf that are looked at per query", range="[1, inf)")
    num_links: int = setting(32, help="links of an image in hnsw", range="[2, inf)")
    search_breadth: int = setting(
        800, help="images that hnsw keeps in sight while it walks; num_candidates at least", range="[1, inf)")
    num_training_images: int = setting(
        200_000, help="images sampled once to learn mean, components and lists from", range="[1, inf)")
    num_codewords: int = setting(
        0, help="codewords of asmk; 0: a power of two, 40 or more training descriptors each, 65536 at most",
        range="[0, inf)")
    num_assignments: int = setting(
        5, help="codewords of asmk that a query's descriptor belongs to", range="[1, inf)")
    asmk_alpha: float = setting(
        3.0, help="exponent of the similarity at a codeword of asmk", range="(0, inf)")
    asmk_threshold: float = setting(
        0.0, help="similarity that a codeword of asmk has to be above to count", range="[-1, 1)")
    asmk_idf: bool = setting(False, help="whether rare codewords of asmk weigh more")
    codebook_features: str = setting(
        "", help="glob or folder of the features that the codewords of asmk are learnt from; empty: those of "
        "the index")
    num_training_descriptors: int = setting(
        2_621_440, help="descriptors sampled to learn the codewords of asmk from; chosen", range="[1, inf)")
    seed: int = setting(0, help="seed of the samples and of the clustering", range="[0, inf)")

    def __post_init__(self):
        check_fields(self)

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


def config_class() -> type[IndexConfig]:
    """IndexConfig, with a field for each setting that one type alone has (`INDEX_SETTINGS`)."""
    own = dict.fromkeys(INDEX_SETTINGS.values())
    if not own:
        return IndexConfig
    return dataclasses.make_dataclass("IndexConfig", (), bases=(*reversed(own), IndexConfig), frozen=True)


def ranked_by(index_type: str) -> str:
    """What an index of this type ranks images by: their global descriptors or their local features."""
    return INDEX_KINDS[index_type].ranked_by


def read_config(description: dict[str, Any]) -> IndexConfig:
    """Settings in an index's description.

    Raises:
        ValueError: if there are some that this version does not know.
    """
    return from_stored(config_class(), description["config"], "index.json")
