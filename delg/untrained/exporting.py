"""Writes the SavedModel of DELG that needs no training."""

from __future__ import annotations

import dataclasses
from typing import Any

from delg.exports import saving
from delg.settings.untrained import UntrainedConfig
from delg.untrained.heads import Heads, learn_heads, read_photographs, shipped_heads
from delg.untrained.network import build_untrained


def export_untrained(config: UntrainedConfig, backbone_weights: str, export_dir: str,
                     photographs: str = "") -> dict[str, Any]:
    """Writes a SavedModel that describes images by a pretrained backbone, whole or not at all.

    A finished export of the same model is kept as it is.

    Args:
        config: what is made.
        backbone_weights: imagenet, package or a weight file; see `build_backbone`.
        export_dir: folder to make.
        photographs: folder of images that the heads are learnt from; empty: those that come with the package.

    Returns:
        Contents of `export_config.json`, as `saving.export` writes it, its "model" an UntrainedConfig.

    Raises:
        FileNotFoundError: weights, heads or photographs are not there.
        ValueError: `export_dir` holds anything else, or there are too few photographs.
    """
    heads = (heads_from_photographs(config, backbone_weights, photographs) if photographs
             else shipped_heads(config))
    model = build_untrained(config, backbone_weights, attention_dim=heads.attention_dim,
                            whitened=bool(heads.whitening))
    heads.put_in(model)
    return saving.export_built(model, dataclasses.asdict(config), heads.attention_threshold, export_dir,
                               UntrainedConfig)


def heads_from_photographs(config: UntrainedConfig, backbone_weights: str, photographs: str) -> Heads:
    """Heads that a folder of photographs gives; arguments and errors as of `export_untrained`."""
    unprojected = build_untrained(config, backbone_weights, projected=False)
    return learn_heads(unprojected, config, read_photographs(photographs))
