"""Settings of indexes of aggregated local features."""

from __future__ import annotations

import dataclasses
import math

from data_prep.stage.settings import setting
from delg.index.kind import CommonConfig


@dataclasses.dataclass(frozen=True)
class AsmkConfig(CommonConfig):
    """Settings of asmk and binary_asmk."""

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

    def with_codewords(self, num_descriptors: int) -> AsmkConfig:
        """The same with a number of codewords, for this number of training descriptors."""
        chosen = self.num_codewords or 1 << max(0, min(16, int(math.log2(max(1, num_descriptors / 40)))))
        return dataclasses.replace(self, num_codewords=chosen)
