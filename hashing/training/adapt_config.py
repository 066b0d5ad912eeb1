"""Settings of the adaptation of a trained code layer to the images of an index."""

from __future__ import annotations

import dataclasses

from data_prep.stage.settings import check_fields, like, require, setting
from delg.settings.fitting import FitConfig


@dataclasses.dataclass(frozen=True)
class AdaptConfig:
    """One adaptation."""

    model_dir: str = setting(
        help="folder of hashing.train, whose network stays as it is but for the code layer")
    index_pattern: tuple[str, ...] = setting(
        help="glob of TFRecord shards of the images that are to be found; their labels are not read; to be "
        "repeated")
    output_dir: str = setting(help="folder of the adapted model", written=True)
    train_pattern: str = setting(
        "", help="glob of the labelled shards that the model was trained on, so that classes it learnt keep "
        "their codes; empty: the layer is ITQ of the index and nothing else")
    max_images: int = setting(
        20_000, help="images of the index that are looked at, at most: the first of each pattern",
        range="(0, inf)")
    num_steps: int = like(FitConfig, "num_steps", 400, help="steps on labelled images")
    learning_rate: float = like(
        FitConfig, "learning_rate", 2e-4, help="highest learning rate of these steps, which falls along a "
        "cosine: the higher, the farther from ITQ")
    index_weight: float = setting(
        0.3, help="weight of the change of the index's codes in these steps, beside the loss of the classes",
        range="[0, inf)")
    batch_size: int = like(FitConfig, "batch_size", 64, help="labelled images of a step, and images of the "
                           "index")
    seed: int = like(FitConfig, "seed")

    def __post_init__(self):
        check_fields(self)
        require(len(self.index_pattern) > 0 and all(self.index_pattern), "`index_pattern` must name shards.",
                index_pattern=self.index_pattern)
