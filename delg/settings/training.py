"""Settings of a training of DELG."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from data_prep.images.augmentations import AUGMENTATIONS
from data_prep.stage.settings import check_fields, like, require, setting
from data_prep.stage.table import OrNone
from delg.settings.fitting import BackboneFitConfig, FitConfig, check_warmup
from delg.settings.kinds import AUTOENCODER_INITS, GLOBAL_LOSSES, OPTIMIZERS, SCHEDULES, WHITENING_INITS
from delg.settings.model import ModelConfig
from delg.settings.stages import Stages, read_stages


@dataclasses.dataclass(frozen=True)
class TrainConfig(BackboneFitConfig):
    """One training run. Model fields are repeated here so that one flag sets each of them."""

    validation_pattern: str = like(
        FitConfig, "validation_pattern",
        help="glob of shards of the training classes, for the accuracy of classification; empty: none")
    heldout_pattern: str = setting(
        "", help="glob of shards of classes never trained on, whose retrieval mAP picks the best weights; "
        "empty: the last are the best")
    # Model.
    backbone: str = like(ModelConfig, "backbone")
    width: float = like(ModelConfig, "width")
    local_stride: int = like(ModelConfig, "local_stride")
    embedding_dim: int = like(ModelConfig, "embedding_dim")
    global_pooling: str = like(ModelConfig, "global_pooling")
    class_token_share: float = like(ModelConfig, "class_token_share")
    gem_power: float = like(ModelConfig, "gem_power")
    learn_gem_power: bool = like(ModelConfig, "learn_gem_power")
    num_subcenters: int = like(ModelConfig, "num_subcenters")
    use_autoencoder: bool = like(ModelConfig, "use_autoencoder")
    autoencoder_dim: int = like(ModelConfig, "autoencoder_dim")
    attention_dim: int = like(ModelConfig, "attention_dim")
    attention_pool_scale: float = like(ModelConfig, "attention_pool_scale")
    # First values.
    init_from: str = setting(
        "", help="folder of another run of delg.train to start from, its best weights or newest checkpoint: "
        "backbone, heads and classes, as far as they fit; in place of backbone_weights; empty: none")
    whitening_init: str = setting(
        "none", help="what the whitening starts from; identity: features as pooled; pca: their principal "
        "components; within_class: directions in which images of one landmark differ count less; none: "
        "random", choices=OrNone(WHITENING_INITS))
    whitening_exponent: float = setting(
        0.5, help="exponent of 1 / deviation in the pca start of the whitening: 0 only rotates, 1 whitens "
        "wholly; chosen", range="[0, 1]")
    whitening_shrinkage: float = setting(
        0.9, help="how far the variances of the within_class start of the whitening move to their mean; "
        "chosen", range="(0, 1]")
    autoencoder_init: str = setting(
        "none", help="what the autoencoder starts from; pca: encoder and decoder from principal components "
        "of local maps; none: random", choices=OrNone(AUTOENCODER_INITS))
    autoencoder_exponent: float = setting(
        0.5, help="as whitening_exponent, of the autoencoder, whose decoder undoes it; chosen")
    num_init_images: int = setting(
        2000, help="training images that these two starts look at", range="(0, inf)")
    # Losses.
    global_loss: str = setting(
        "arcface", help="classification loss of the global descriptor", choices=GLOBAL_LOSSES)
    margin: float = setting(
        0.1, help="margin of the global loss: radians of arcface, cosine of cosface, in [0, pi/2]; DELG "
        "paper, section 4.1")
    scale: float = setting(
        45.25, help="scale of the cosines in the global loss, sqrt(2048); DELG paper, section 3.1",
        range="(0, inf)")
    rare_margin: float = setting(
        0.0, help="what the margin of a class with one image has more than that of one with very many; "
        "0: all have the same; https://arxiv.org/abs/2010.05350 takes 0.5, and a margin of 0.05",
        range="[0, inf)")
    margin_exponent: float = setting(
        0.25, help="exponent of the number of images of a class by which rare_margin falls; "
        "https://arxiv.org/abs/2010.05350", range="(0, inf)")
    classifier: str = setting(
        "full", help="how the weights of the classes are kept; full: on every replica; sharded: each replica "
        "has a part of the classes; sampled: so too, and a step looks at a random share of them, for which "
        "memory and time are spent", choices=("full", "sharded", "sampled"))
    negative_sample_rate: float = setting(
        0.1, help="share of the classes that a step of sampled classifiers looks at, those of its images "
        "always among them; PartialFC, https://arxiv.org/abs/2203.15565, takes 0.1", range="(0, 1]")
    attention_loss_weight: float = setting(
        1.0, help="weight of the classification loss of the attention head", range="[0, inf)")
    reconstruction_loss_weight: float = setting(
        10.0, help="weight of the reconstruction loss of the autoencoder", range="[0, inf)")
    distillation_weight: float = setting(
        0.0, help="weight of the loss that holds the global descriptor of each image where the first weights "
        "put it, 1 - cosine; 0: none", range="[0, inf)")
    # Data.
    image_size: int | str = setting(
        321, help="side of the square crops trained on; or sides and the steps they begin at, such as "
        "224:0,321:30000,512:60000, between epochs: held-out images have the last", unit="pixels")
    augmentation: str = setting(
        "paper", help="how training images are changed; paper: a random crop; strong: also turned, blurred, "
        "in other colours", choices=AUGMENTATIONS)
    shuffle_buffer: int = setting(
        10_000, help="examples that are shuffled together; takes no memory", range="(0, inf)")
    shuffle_width: int = setting(
        16, help="shards that these are drawn from, side by side; takes no memory. Of shards sorted by class "
        "take all, and a larger shuffle_buffer", range="(0, inf)")
    # Optimisation.
    num_steps: int = like(FitConfig, "num_steps", 500_000)
    accumulate_steps: int = setting(
        1, help="parts that each batch is computed in, one after another, where a whole one does not fit in "
        "memory; their gradients make one step; batch normalisation takes each part by itself",
        range="[1, inf)")
    steps_per_execution: int = setting(
        1, help="steps that an accelerator takes before it asks this program again; the log, checkpoints by "
        "steps and signals wait for the last of them", range="[1, inf)")
    synchronized_batch_norm: bool = setting(
        True, help="batch normalisation takes the statistics of all replicas together, which costs two sums "
        "over them per layer; else each replica its own, by the faster operation of an accelerator")
    optimizer: str = setting("sgd", help="rule by which gradients change the weights", choices=OPTIMIZERS)
    learning_rate: float = like(FitConfig, "learning_rate", 0.01)
    learning_rate_batch_size: int = setting(
        0, help="batch size that learning_rate is meant for: the rate grows in proportion with batch_size, "
        "https://arxiv.org/abs/1706.02677, which takes 256; 0: it is as given", range="[0, inf)")
    schedule: str = setting(
        "linear", help="how the learning rate falls after the warm-up; linear: to 0, as in the paper",
        choices=SCHEDULES)
    momentum: float = setting(0.9, help="momentum of sgd", range="[0, 1)")
    weight_decay: float = like(BackboneFitConfig, "weight_decay", 1e-4)
    clip_norm: float = like(FitConfig, "clip_norm", 10.0)
    backbone_learning_rate_factor: float = like(
        BackboneFitConfig, "backbone_learning_rate_factor",
        help="share of the learning rate that the backbone, and a whitening that starts from values, takes; "
        "0 freezes them")
    ema_momentum: float = setting(
        0.0, help="share of its former value that the moving average of each weight keeps in a step; the "
        "averages are judged and kept; 0: the weights themselves are", range="[0, 1)")
    average_with_start: float = setting(
        0.0, help="share of the first weights in those that are judged and kept, of the backbone and of a "
        "whitening that starts from values; WiSE-FT recommends 0.5; 0: none", range="[0, 1]")
    # Bookkeeping.
    max_heldout_images: int = setting(
        2000, help="held-out images that the retrieval mAP is measured on", range="(0, inf)")

    def __post_init__(self):
        check_fields(self)
        require(0 <= self.margin <= math.pi / 2, "`margin` must be in [0, pi/2].", margin=self.margin)
        require(self.margin + self.rare_margin <= math.pi / 2,
                "`margin` and `rare_margin` must be at most pi/2 together.", margin=self.margin,
                rare_margin=self.rare_margin)
        if self.classifier != "full":
            require(not self.ema_momentum, "`ema_momentum` must be 0 unless `classifier=full`.",
                    ema_momentum=self.ema_momentum, classifier=self.classifier)
            require(self.strategy != "tpu", "`strategy=tpu` needs `classifier=full`.",
                    classifier=self.classifier)
        require(self.batch_size % self.accumulate_steps == 0,
                "`batch_size` must be a multiple of `accumulate_steps`.", batch_size=self.batch_size,
                accumulate_steps=self.accumulate_steps)
        self.image_sizes.at(0)  # refuses what it cannot read
        check_warmup(self.schedule, self.warmup_steps, self.num_steps)

    @property
    def image_sizes(self) -> Stages:
        """What `image_size` says: pixels, for each step."""
        return read_stages("image_size", self.image_size, self.steps_per_epoch, self.num_steps)

    @property
    def scaled_learning_rate(self) -> float:
        """The highest rate, by the size of the batch."""
        return self.learning_rate * (
            self.batch_size / self.learning_rate_batch_size if self.learning_rate_batch_size else 1.0)

    @property
    def looks_back(self) -> bool:
        """Whether training needs the weights from before its first step."""
        return self.distillation_weight > 0 or self.average_with_start > 0

    def model_config(self, num_classes: int) -> ModelConfig:
        """The model part of these settings, for a set of `num_classes` classes."""
        names = {field.name for field in dataclasses.fields(ModelConfig)} - {"num_classes"}
        return ModelConfig(num_classes=num_classes, **{name: getattr(self, name) for name in names})


PRESETS: dict[str, dict[str, Any]] = {  # fields whose values differ from the defaults
    "paper": {},
    # Attention and autoencoder alone, from where the pretrained backbone stands: minutes on processors. The
    # heads that come with delg.untrained were trained so, on a made world; hence the small sizes.
    "heads": {"backbone": "efficientnet_lite2", "backbone_weights": "package", "whitening_init": "identity",
              "autoencoder_init": "pca", "num_init_images": 300, "embedding_dim": 1280, "attention_dim": 128,
              "attention_pool_scale": 16.0, "image_size": 224, "batch_size": 16, "num_steps": 300,
              "steps_per_epoch": 100, "optimizer": "adam", "learning_rate": 1e-3, "schedule": "cosine",
              "backbone_learning_rate_factor": 0.0, "freeze_batch_norm": True},
}
