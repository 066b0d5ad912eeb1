"""Settings of a hashing model."""

from __future__ import annotations

import dataclasses

from data_prep.stage.settings import check_fields, require, setting
from delg.settings.backbones import check_width
from delg.settings.kinds import BACKBONES


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """What a hashing model is made of; with the weights, all that is needed to rebuild it."""

    backbone: str = setting("resnet18", help="network that the code layer stands on", choices=BACKBONES)
    width: float = setting(
        1.0, help="channel multiplier; most backbones accept 1.0 only, resnet18 any")
    image_size: int = setting(224, help="side of the square images", unit="pixels", range="[32, inf)")
    code_size: int = setting(32, help="length of a code, a multiple of 4", unit="bits")
    code_batch_norm: bool = setting(False, help="batch normalisation before the tanh of the code layer")
    prefix_sizes: tuple[int, ...] = setting(
        (), help="shorter lengths that a code may be cut to, multiples of 4: its first bits are trained as "
        "codes of their own; those not below code_size count for nothing", unit="bits", range="[8, inf)")

    def __post_init__(self):
        check_fields(self)
        check_width(self.width, self.backbone)
        require(self.code_size >= 8 and self.code_size % 4 == 0,
                "`code_size` must be a multiple of 4, at least 8.", code_size=self.code_size)
        require(not any(size % 4 for size in self.prefix_sizes),
                "`prefix_sizes` must be multiples of 4.", prefix_sizes=self.prefix_sizes)

    @property
    def lengths(self) -> tuple[int, ...]:
        """Bits that a code may have, ascending; the last is the whole code."""
        return (*sorted({size for size in self.prefix_sizes if size < self.code_size}), self.code_size)

    def cut(self, num_bits: int) -> ModelConfig:
        """The settings of the model whose codes are the first bits of this one's; 0: of all bits.

        Raises:
            ValueError: codes of this length were not trained.
        """
        require(not num_bits or num_bits in self.lengths, "`num_bits` must be 0 or a length that the codes "
                f"were trained to have: {', '.join(map(str, self.lengths))}.", num_bits=num_bits)
        return dataclasses.replace(self, code_size=num_bits or self.code_size)
