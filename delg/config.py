"""Settings of each DELG stage: flat, frozen, checked where they are made."""

from __future__ import annotations

import dataclasses
import math

from delg.checks import require, require_member

BACKBONES = ("resnet50", "resnet101", "mobilenet_v2", "resnet18")
GLOBAL_LOSSES = ("arcface", "cosface", "softmax")
SCHEDULES = ("linear", "cosine")
OPTIMIZERS = ("sgd", "adam")
STRATEGIES = ("one_device", "mirrored", "multi_worker", "tpu")
PRECISIONS = ("float32", "bfloat16", "float16")
EXTRACT_PRECISIONS = ("auto", "float32", "bfloat16")
WHITENING_INITS = ("none", "identity", "pca")
AUTOENCODER_INITS = ("none", "pca")
AUGMENTATIONS = ("paper", "strong", "none")
LOCAL_DTYPES = ("float32", "float16", "int8", "binary")  # the finest first
MATCHERS = ("mutual", "ratio", "threshold")
VERIFIERS = ("usac", "scale", "paper", "none")
TRANSFORMS = ("homography", "affine")
FINAL_ORDERS = ("fused", "inliers")
RERANKERS = ("alpha_qe", "dba", "diffusion", "neighbor_refinement")


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """What a DELG model is made of; with the weights, all that is needed to rebuild it."""

    num_classes: int  # training classes, read from dataset.json
    backbone: str = "resnet50"
    width: float = 1.0  # channel multiplier of resnet18; the other backbones accept 1.0 only
    local_stride: int = 16  # pixels per cell of the local map: 16, or 32 as in the reference training
    embedding_dim: int = 2048  # global descriptor
    gem_power: float = 3.0  # DELG paper, section 3.1
    learn_gem_power: bool = False
    use_autoencoder: bool = True
    autoencoder_dim: int = 128  # local descriptor; DELG paper, section 3.2
    attention_dim: int = 512  # hidden channels of the attention head
    attention_pool_scale: float = 1.0  # multiplies the attention-pooled vector before its classifier

    def __post_init__(self):
        require(self.num_classes >= 1, "`num_classes` must be at least 1.", num_classes=self.num_classes)
        require_member("backbone", self.backbone, BACKBONES)
        require(self.width > 0 and (self.width == 1 or self.backbone == "resnet18"),
                "`width` must be positive, and 1.0 for every backbone but resnet18.",
                width=self.width, backbone=self.backbone)
        require(self.local_stride in (16, 32), "`local_stride` must be 16 or 32.",
                local_stride=self.local_stride)
        for name in ("embedding_dim", "autoencoder_dim", "attention_dim", "gem_power",
                     "attention_pool_scale"):
            require(getattr(self, name) > 0, f"`{name}` must be positive.", **{name: getattr(self, name)})


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


@dataclasses.dataclass(frozen=True)
class ExtractConfig:
    """How features are taken from images. Defaults: DELG paper, section 4.1, and its released settings."""

    max_image_size: int = 1024  # pixels, longer side; larger images are shrunk first; 0: never
    global_scales: tuple[float, ...] = (2**-0.5, 1.0, 2**0.5)  # empty: local only
    local_scales: tuple[float, ...] = (0.25, 2**-1.5, 0.5, 2**-0.5, 1.0, 2**0.5, 2.0)  # empty: global only
    max_num_features: int = 1000  # local features kept per image
    score_threshold: float | None = None  # attention score; None: the threshold the model learnt
    local_dtype: str = "float16"  # of stored local descriptors
    whitening: str = ""  # file of delg.fit_whitening, for global descriptors; empty: none
    batch_size: int = 8  # images of one size that are computed together; of large images fewer
    precision: str = "auto"  # auto: bfloat16 where the processor has it and the model's features bear it
    max_bad_fraction: float = 0.05  # of all images; more bad ones stop the job

    def __post_init__(self):
        require_member("local_dtype", self.local_dtype, LOCAL_DTYPES)
        require_member("precision", self.precision, EXTRACT_PRECISIONS)
        for name in ("global_scales", "local_scales"):
            scales = getattr(self, name)
            require(all(scale > 0 for scale in scales), f"`{name}` must be positive.", **{name: scales})
        require(len(self.global_scales) + len(self.local_scales) > 0,
                "`global_scales` and `local_scales` must not both be empty.",
                global_scales=self.global_scales, local_scales=self.local_scales)
        require(self.max_image_size >= 0, "`max_image_size` must not be negative.",
                max_image_size=self.max_image_size)
        require(self.max_num_features > 0, "`max_num_features` must be positive.",
                max_num_features=self.max_num_features)
        require(self.batch_size > 0, "`batch_size` must be positive.", batch_size=self.batch_size)
        require(0 <= self.max_bad_fraction <= 1, "`max_bad_fraction` must be in [0, 1].",
                max_bad_fraction=self.max_bad_fraction)


@dataclasses.dataclass(frozen=True)
class SearchConfig:
    """Global search, then geometric verification of the first results."""

    num_neighbors: int = 0  # results kept per query; 0: the whole index, of an approximate one its candidates
    rerankers: str = ""  # of the global search, in order: alpha_qe, dba, diffusion, neighbor_refinement
    qe_neighbors: int = 10  # results the query moves towards, for alpha_qe; chosen
    qe_alpha: float = 3.0  # a neighbour weighs cosine^alpha, for alpha_qe and dba; TPAMI 2018
    dba_neighbors: int = 10  # index images each index image moves towards, for dba; chosen
    diffusion_images: int = 2000  # results of a query that make the graph; chosen, 1000 or more published
    diffusion_neighbors: int = 50  # nearest neighbours of an image in the graph; CVPR 2017
    diffusion_seeds: int = 10  # results where the walk starts; CVPR 2017
    diffusion_gamma: float = 3.0  # affinity is cosine^gamma; CVPR 2017
    diffusion_alpha: float = 0.99  # chance of walking on; CVPR 2017
    refined_images: int = 400  # results that neighbor_refinement compares again; SuperGlobal, ICCV 2023
    refined_neighbors: int = 9  # neighbours each is smoothed over
    refined_beta: float = 0.15  # weight of a neighbour of cosine 1
    num_rerank: int = 100  # results verified per query
    matcher: str = "mutual"
    ratio: float = 0.9  # first over second distance, for matcher=ratio
    max_distance: float = 1.0  # between unit descriptors, for matcher=threshold
    verifier: str = "usac"  # paper: the reference's whole recipe, threshold matcher, affine, raw pixels
    transform: str = "homography"
    inlier_threshold: float = 20.0  # pixels, on a query whose longer side is 1024 pixels
    max_iterations: int = 1000
    guided_neighbors: int = 3  # ranks of looks that may match once the transform is known; 0: off
    min_inliers: int = 0  # fewer inliers count as none; 0: calibrated on pairs far down the rankings
    expand_query: bool = False  # move the query's global descriptor towards the verified results, then sort
    final_order: str = "fused"  # of the verified: fused: similarity and inliers | inliers: as the reference
    inlier_weight: float = 0.2  # of log(inliers / floor) beside the similarity; 0: inliers change nothing
    seed: int = 0

    def __post_init__(self):
        for name, allowed in (("matcher", MATCHERS), ("verifier", VERIFIERS), ("transform", TRANSFORMS),
                              ("final_order", FINAL_ORDERS)):
            require_member(name, getattr(self, name), allowed)
        for name in ("num_neighbors", "num_rerank", "guided_neighbors", "min_inliers", "inlier_weight"):
            require(getattr(self, name) >= 0, f"`{name}` must not be negative.",
                    **{name: getattr(self, name)})
        for name in ("inlier_threshold", "max_iterations", "max_distance"):
            require(getattr(self, name) > 0, f"`{name}` must be positive.", **{name: getattr(self, name)})
        require(0 < self.ratio <= 1, "`ratio` must be in (0, 1].", ratio=self.ratio)
        require(set(self.reranker_names) <= set(RERANKERS) and "dba" not in self.reranker_names[1:],
                f"`rerankers` must be names among {', '.join(RERANKERS)}, with commas between them, dba "
                "first as it changes the index.", rerankers=self.rerankers)
        for name in ("qe_neighbors", "dba_neighbors", "diffusion_images", "diffusion_neighbors",
                     "diffusion_seeds", "diffusion_gamma", "refined_images", "refined_neighbors"):
            require(getattr(self, name) > 0, f"`{name}` must be positive.", **{name: getattr(self, name)})
        for name in ("qe_alpha", "refined_beta"):
            require(getattr(self, name) >= 0, f"`{name}` must not be negative.",
                    **{name: getattr(self, name)})
        require(0 <= self.diffusion_alpha < 1, "`diffusion_alpha` must be in [0, 1).",
                diffusion_alpha=self.diffusion_alpha)

    @property
    def reranker_names(self) -> tuple[str, ...]:
        """The re-rankers of the global search, in order."""
        return tuple(name.strip() for name in self.rerankers.split(",")) if self.rerankers else ()
