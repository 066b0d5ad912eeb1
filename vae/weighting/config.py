"""Settings of the training of channel weights."""

from __future__ import annotations

import dataclasses

from data_prep.stage.settings import check_fields, like, setting
from data_prep.stage.table import Table
from delg.settings.fitting import FitConfig

DISTANCES = Table("distance", {  # records: vae.weighting.distances.Distance
    "paper": "vae.weighting.distances:PAPER",
    "pooled": "vae.weighting.distances:POOLED",
})


@dataclasses.dataclass(frozen=True)
class WeightTrainConfig:
    """One training of channel weights."""

    train_pattern: str = like(
        FitConfig, "train_pattern", help="glob of TFRecord shards of images with domain and place")
    vae_dir: str = setting(help="model_dir of vae.train, whose encoder stays as it is")
    model_dir: str = setting(help="folder that the weights and their log are written to", written=True)
    validation_pattern: str = like(
        FitConfig, "validation_pattern", help="glob of shards of other places, for loss and accuracy at the "
        "end of each epoch; empty: none")
    num_layers: int = setting(
        1, help="layers of the shared encoder, counted from the latent back: deep feature matching",
        range="(0, inf)")
    distance: str = setting(
        "pooled", help="distance of two images; pooled: of descriptors of unit norm; paper: position by "
        "position, z-scored", choices=DISTANCES)
    margin: float = setting(
        0.3, help="margin of the triplet loss, times the mean distance of different places before weighting",
        range="[0, inf)")
    shrinkage: float = setting(
        0.5, help="share by which learnt weights are drawn back to 1: few places teach too much",
        range="[0, 1)")
    num_hard: int = setting(
        20, help="nearest images of other places from which half of the negatives come", range="(0, inf)")
    batch_size: int = like(FitConfig, "batch_size", 64, help="triplets per step")
    num_steps: int = like(FitConfig, "num_steps", 1000)
    steps_per_epoch: int = like(FitConfig, "steps_per_epoch", 50)
    learning_rate: float = like(FitConfig, "learning_rate", 0.02, help="learning rate of Adam")
    num_validation: int = setting(1024, help="triplets that are validated on", range="(0, inf)")
    seed: int = like(FitConfig, "seed", help="seed of the triplets")

    def __post_init__(self):
        check_fields(self)
