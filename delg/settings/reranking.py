"""Settings of a learnt re-ranker and of its training."""

from __future__ import annotations

import dataclasses

from data_prep.stage.settings import check_fields, like, require, setting
from delg.settings.fitting import FitConfig, check_warmup
from delg.settings.kinds import PAIR_TOKENS


@dataclasses.dataclass(frozen=True)
class RerankerConfig:
    """What makes a re-ranker: a transformer that says whether two images show one landmark."""

    descriptor_dim: int = setting(help="dimensions of the local descriptors; 0: any", range="[0, inf)")
    tokens: str = setting(
        "matches", help="what attends to one another; matches: mutual nearest neighbours, by where they lie "
        "and how alike they are; local_features: those of both images", choices=PAIR_TOKENS)
    num_features: int = setting(
        500, help="local features of an image that are read, the best; of tokens=local_features some 100",
        range="[2, inf)")
    num_matches: int = setting(
        64, help="for tokens=matches: matches that become tokens, the nearest", range="(0, inf)")
    width: int = setting(64, help="dimensions of a token", range="(0, inf)")
    num_heads: int = setting(4, help="heads of attention, which share the width", range="(0, inf)")
    depth: int = setting(2, help="blocks of attention", range="(0, inf)")

    def __post_init__(self):
        check_fields(self)
        require(self.width % self.num_heads == 0, "`width` must be a multiple of `num_heads`.",
                width=self.width, num_heads=self.num_heads)


@dataclasses.dataclass(frozen=True)
class TrainRerankerConfig:
    """One training of a re-ranker. Model fields are repeated here so that one flag sets each of them."""

    features: str = setting(help="glob or folder of the feature shards of the images to train on")
    train_pattern: str = like(
        FitConfig, "train_pattern", help="glob of the TFRecord shards of these images, for their landmarks")
    index_dir: str = setting(
        help="folder of delg.build_index, of these images: what it finds of other landmarks are hard "
        "negatives")
    model_dir: str = like(FitConfig, "model_dir")
    # Model.
    tokens: str = like(RerankerConfig, "tokens")
    num_features: int = like(RerankerConfig, "num_features")
    num_matches: int = like(RerankerConfig, "num_matches")
    width: int = like(RerankerConfig, "width")
    num_heads: int = like(RerankerConfig, "num_heads")
    depth: int = like(RerankerConfig, "depth")
    # Data.
    num_hard: int = setting(
        50, help="nearest images of other landmarks that negatives are drawn from", range="(0, inf)")
    heldout_fraction: float = setting(
        0.1, help="share of the landmarks that are not trained on: the loss on pairs of theirs picks the "
        "best weights; 0: the last are the best", range="[0, 1)")
    num_heldout_pairs: int = setting(512, help="pairs of held-out landmarks", range="(0, inf)")
    feature_dropout: float = setting(
        0.3, help="largest share of the features of a training image that are left out", range="[0, 1)")
    # Optimisation.
    batch_size: int = like(
        FitConfig, "batch_size", help="pairs per step, over all replicas, half of which match",
        range="[2, inf)")
    num_steps: int = like(FitConfig, "num_steps", 2000)
    learning_rate: float = like(FitConfig, "learning_rate")
    warmup_steps: int = setting(
        100, help="first steps, in which the learning rate rises from 0 before it falls as a cosine",
        range="[0, inf)")
    weight_decay: float = setting(0.01, help="decoupled weight decay, not on biases", range="[0, inf)")
    clip_norm: float = like(FitConfig, "clip_norm", 1.0)
    strategy: str = like(FitConfig, "strategy")
    startup_timeout: float = like(FitConfig, "startup_timeout")
    mixed_precision: str = like(FitConfig, "mixed_precision")
    # Bookkeeping.
    steps_per_epoch: int = like(FitConfig, "steps_per_epoch", 200)
    backup_steps: int = like(FitConfig, "backup_steps")
    backup_minutes: float = like(FitConfig, "backup_minutes")
    save_signal: str = like(FitConfig, "save_signal")
    seed: int = like(FitConfig, "seed", help="seed of the first weights and of the pairs")

    def __post_init__(self):
        check_fields(self)
        check_warmup("cosine", self.warmup_steps, self.num_steps)
        self.model_config(descriptor_dim=0)

    def model_config(self, descriptor_dim: int) -> RerankerConfig:
        """The model part of these settings, for local descriptors of so many dimensions; 0: any."""
        names = {field.name for field in dataclasses.fields(RerankerConfig)} - {"descriptor_dim"}
        return RerankerConfig(descriptor_dim, **{name: getattr(self, name) for name in names})
