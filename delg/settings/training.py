"""Settings of a training of DELG."""

from __future__ import annotations

import dataclasses
import math

from data_prep.stage.settings import require, require_member
from delg.settings.model import BACKBONES, ModelConfig

GLOBAL_LOSSES = ("arcface", "cosface", "softmax")
SCHEDULES = ("linear", "cosine")
OPTIMIZERS = ("sgd", "adam")
STRATEGIES = ("one_device", "mirrored", "multi_worker", "tpu")
PRECISIONS = ("float32", "bfloat16", "float16")
WHITENING_INITS = ("none", "identity", "pca")
AUTOENCODER_INITS = ("none", "pca")
AUGMENTATIONS = ("paper", "strong", "none")


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """One training run. Model fields are repeated here so that one flag sets each of them."""

    train_pattern: str  # glob of TFRecord shards
    model_dir: str
    validation_pattern: str = ""  # images of the training classes: classification accuracy
    heldout_pattern: str = ""  # images of classes never trained on: retrieval mAP, picks the best checkpoint
    # Model.
    backbone: str = ModelConfig.backbone
    width: float = ModelConfig.width
    backbone_weights: str = "imagenet"  # imagenet | none | path of a weight file
    whitening_init: str = "none"  # none | identity (features as pooled) | pca (their components)
    whitening_exponent: float = 0.5  # of 1 / deviation: 0 only rotates, 1 whitens wholly; chosen
    autoencoder_init: str = "none"  # none | pca: encoder and decoder from principal components of local maps
    autoencoder_exponent: float = 0.5  # as whitening_exponent; the decoder undoes it; chosen
    num_init_images: int = 2000  # training images looked at by these two
    local_stride: int = ModelConfig.local_stride
    embedding_dim: int = ModelConfig.embedding_dim
    gem_power: float = ModelConfig.gem_power
    learn_gem_power: bool = ModelConfig.learn_gem_power
    use_autoencoder: bool = ModelConfig.use_autoencoder
    autoencoder_dim: int = ModelConfig.autoencoder_dim
    attention_dim: int = ModelConfig.attention_dim
    attention_pool_scale: float = ModelConfig.attention_pool_scale
    # Losses.
    global_loss: str = "arcface"
    margin: float = 0.1  # radians for arcface, cosine for cosface; DELG paper, section 4.1
    scale: float = 45.25  # sqrt(2048); DELG paper, section 3.1
    attention_loss_weight: float = 1.0
    reconstruction_loss_weight: float = 10.0
    # Data.
    image_size: int = 321  # pixels, square
    batch_size: int = 32  # images per step, over all replicas
    augmentation: str = "paper"  # paper: random crop | strong: also turned, blurred, other colours | none
    min_crop_area: float = 0.08  # of the random crop, share of the image; the reference's value
    shuffle_buffer: int = 10_000  # examples shuffled together; takes no memory
    # Optimisation.
    num_steps: int = 500_000
    optimizer: str = "sgd"
    learning_rate: float = 0.01
    schedule: str = "linear"  # linear to zero, as in the paper; cosine after warm-up
    warmup_steps: int = 0
    momentum: float = 0.9
    weight_decay: float = 1e-4  # decoupled; not on biases or BatchNorm
    clip_norm: float = 10.0  # global norm, after the reduction over replicas; 0: no clipping
    backbone_learning_rate_factor: float = 1.0  # of the backbone and a whitening with values; 0 freezes them
    freeze_batch_norm: bool = False  # BatchNorm of the backbone in inference mode, for small batches
    strategy: str = "one_device"
    mixed_precision: str = "float32"
    # Bookkeeping.
    steps_per_epoch: int = 1000  # steps between validations, checkpoints and logs
    backup_steps: int = 0  # steps between checkpoints for resuming; 0: at the end of each epoch
    max_heldout_images: int = 2000
    seed: int = 0

    def __post_init__(self):
        for name, allowed in (("backbone", BACKBONES), ("global_loss", GLOBAL_LOSSES),
                              ("schedule", SCHEDULES), ("optimizer", OPTIMIZERS),
                              ("strategy", STRATEGIES), ("mixed_precision", PRECISIONS),
                              ("augmentation", AUGMENTATIONS), ("whitening_init", WHITENING_INITS),
                              ("autoencoder_init", AUTOENCODER_INITS)):
            require_member(name, getattr(self, name), allowed)
        require(0 <= self.margin <= math.pi / 2, "`margin` must be in [0, pi/2].", margin=self.margin)
        for name in ("scale", "image_size", "batch_size", "shuffle_buffer", "num_steps", "learning_rate",
                     "steps_per_epoch", "max_heldout_images", "num_init_images"):
            require(getattr(self, name) > 0, f"`{name}` must be positive.", **{name: getattr(self, name)})
        for name in ("attention_loss_weight", "reconstruction_loss_weight", "weight_decay", "clip_norm",
                     "warmup_steps", "backbone_learning_rate_factor", "backup_steps"):
            require(getattr(self, name) >= 0, f"`{name}` must not be negative.",
                    **{name: getattr(self, name)})
        require(0 < self.min_crop_area <= 1, "`min_crop_area` must be in (0, 1].",
                min_crop_area=self.min_crop_area)
        require(0 <= self.momentum < 1, "`momentum` must be in [0, 1).", momentum=self.momentum)
        require(0 <= self.whitening_exponent <= 1, "`whitening_exponent` must be in [0, 1].",
                whitening_exponent=self.whitening_exponent)
        require(self.warmup_steps < self.num_steps, "`warmup_steps` must be below `num_steps`.",
                warmup_steps=self.warmup_steps, num_steps=self.num_steps)

    def model_config(self, num_classes: int) -> ModelConfig:
        """The model part of these settings, for a set of `num_classes` classes."""
        names = {field.name for field in dataclasses.fields(ModelConfig)} - {"num_classes"}
        return ModelConfig(num_classes=num_classes, **{name: getattr(self, name) for name in names})
