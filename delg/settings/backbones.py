"""Checks of settings that name a backbone, by its record."""

from __future__ import annotations

from typing import Any

from data_prep.stage.settings import require
from delg.settings.kinds import BACKBONES, POOLINGS

PUBLISHERS = {"imagenet": "Keras", "package": "the package index"}  # of weights that are asked for by name


def backbone_of(weights: str) -> str:
    """The backbone of an experiment that is given weights alone: package, or a file of MobileNetV2."""
    return "efficientnet_lite2" if weights == "package" else "mobilenet_v2"


def check_width(width: float, name: str) -> None:
    """Checks the channel multiplier of a backbone; 1 is always right, and asks no record.

    Args:
        width: to check.
        name: of BACKBONES.

    Raises:
        ValueError: it is not positive, or not 1 for a backbone that has one width.
    """
    if width == 1 or (width > 0 and BACKBONES[name].has_any_width):
        return
    others = ", ".join(BACKBONES.where(lambda backbone: backbone.has_any_width))
    require(False, f"`width` must be positive, and 1.0 for every backbone but {others}.", width=width,
            backbone=name)


def check_weights(name: str, weights: str, setting: str) -> None:
    """Checks that published weights, where such are asked for, are published of that backbone.

    Args:
        name: of BACKBONES.
        weights: one of PUBLISHERS; anything else is right.
        setting: that has them, for the message.

    Raises:
        ValueError: nobody publishes them so.
    """
    if weights not in PUBLISHERS or weights in BACKBONES[name].published:
        return
    known = [*BACKBONES[name].published, "none"]
    others = BACKBONES.where(lambda backbone: weights in backbone.published)
    require(False, f"`{setting}` of {name} must be {', '.join(known)} or {BACKBONES[name].weight_file}; "
                   f"{PUBLISHERS[weights]} has weights of {', '.join(others)}.", **{setting: weights})


def settled_stride(name: str, local_stride: int) -> int:
    """Pixels between cells of the local map of a backbone, which the heads of DELG stand on.

    Args:
        name: of BACKBONES.
        local_stride: as asked for; 0: the backbone's own.

    Raises:
        ValueError: it gives one vector per image, or the stride is neither its own nor twice that.
    """
    if BACKBONES[name].maps is None:
        others = ", ".join(BACKBONES.where(lambda backbone: backbone.maps is not None))
        require(False, f"`backbone` must be one with feature maps: one of {others}.", backbone=name)
    own = BACKBONES[name].maps.stride
    require(local_stride in (0, own, 2 * own), f"`local_stride` of {name} must be {own} or {2 * own}, or 0: "
            f"{own}.", local_stride=local_stride)
    return local_stride or own


def settle_stride(config: Any) -> None:
    """Puts into settings being made, with `backbone` and `local_stride`, what a stride of 0 stands for.

    So files say which it was, and those of before, with 16, hold the same settings.
    """
    object.__setattr__(config, "local_stride", settled_stride(config.backbone, config.local_stride))


def check_class_token(pooling: str, name: str) -> None:
    """Checks that a backbone has the class token that a pooling puts beside its map.

    Raises:
        ValueError: it has none.
    """
    if POOLINGS[pooling].needs_class_token:
        known = BACKBONES.where(lambda record: record.maps is not None and bool(record.maps.class_token))
        require(name in known, f"`global_pooling={pooling}` needs a backbone with a class token: one of "
                f"{', '.join(known)}.", backbone=name)


def check_stem(name: str, width: float) -> None:
    """Checks that encoders may begin with a backbone, of such a width.

    Raises:
        ValueError: it has no layer for that, or not this width.
    """
    stems = BACKBONES.where(lambda backbone: backbone.maps is not None and bool(backbone.maps.stem))
    require(name in stems or name == "none", f"`stem` must be one of none, {', '.join(stems)}.", stem=name)
    others = [stem for stem in stems if BACKBONES[stem].has_any_width]
    require(width == 1 or (width > 0 and name in others),
            f"`stem_width` must be 1, or positive for the stem {', '.join(others)}.", stem_width=width,
            stem=name)
