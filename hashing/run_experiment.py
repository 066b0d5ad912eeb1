"""Run the whole chain on binary codes, from images to metrics.json and report/index.html.

    python -m hashing.run_experiment --output_dir=build/hashing
    python -m hashing.run_experiment --data_dir=DIR --backbone_weights=package \\
        --output_dir=build/hashing
    python -m hashing.run_experiment --dataset=cub --data_dir=data/cub --backbone=resnet50 --image_size=224 \\
        --backbone_weights=imagenet --output_dir=build/cub
    python -m hashing.run_experiment --dataset=dogs --data_dir=data/dogs --backbone=resnet50 \\
        --image_size=224 --backbone_weights=imagenet --output_dir=build/dogs

Trains the presets paper2019 and best and compares their codes of 16, 32, 48 and 64 bits with sign(PCA) and
ITQ codes of the untrained features, on classes trained on and on others. One training of a preset gives codes
of all lengths, the shorter being the first bits of the longer; on cub and dogs paper2019, and everywhere both
presets with --lengths_apart, train each length on its own. DIR holds a folder per class; without it the
procedural world serves. data/cub and data/dogs are folders of data_prep.download, or hold the archives.
`--preset=orthohash` and others put further presets beside the two.
Finished stages are kept. `--smoke` is the same with next to no training, half a minute.
"""

from __future__ import annotations

from absl import flags

from data_prep.sources.source import sets_of
from data_prep.stage import command_line, config_flags, lock
from data_prep.stage.settings import require
from delg.settings.backbones import backbone_of
from delg.settings.kinds import BACKBONES
from hashing.training.config import PRESETS

_OUTPUT_DIR = config_flags.define_output("output_dir", "Folder of everything it makes.", folder=True)
_DATASET = flags.DEFINE_enum("dataset", "folder", ("folder", *sets_of("class_split")),
                             "What `data_dir` holds.")
_DATA_DIR = flags.DEFINE_string("data_dir", "", "Folder of the set; empty: the procedural world.")
_BACKBONE = flags.DEFINE_enum(
    "backbone", None, list(BACKBONES),
    "Network of both presets; unset: efficientnet_lite2 for weights out of a package, else mobilenet_v2.")
_BACKBONE_WEIGHTS = flags.DEFINE_string(
    "backbone_weights", "none", "Weight file of the backbone, imagenet, package or none.")
_IMAGE_SIZE = flags.DEFINE_integer("image_size", 128, "Side of the square images, in pixels.", lower_bound=32)
_HELDOUT_CLASS_FRACTION = flags.DEFINE_float(
    "heldout_class_fraction", 0.0, "cub, dogs: share of the classes kept from training and scored apart.",
    lower_bound=0.0)
_CODE_SIZE = flags.DEFINE_multi_integer(
    "code_size", [16, 32, 48, 64], "Length of codes, a multiple of 4; to be repeated. Unit: bits.",
    lower_bound=8)
_LENGTHS_APART = flags.DEFINE_bool(
    "lengths_apart", False, "Train each length on its own, as published, instead of all at once.")
_PRESET = flags.DEFINE_multi_enum(
    "preset", [], [name for name in PRESETS if name != "paper2019" and not name.startswith("best")],
    "Preset to train and compare beside paper2019 and best, on folders and the world in the steps of best; "
    "to be repeated.")
_SMOKE = flags.DEFINE_bool("smoke", False, "Tiny: does every stage run?")
_SEED = flags.DEFINE_integer("seed", 0, "Of everything random.", lower_bound=0)


def main(_: list[str]) -> None:
    from hashing.experiments import chain, presets  # after the flags: TensorFlow takes seconds to load

    output_dir, data_dir, seed = _OUTPUT_DIR.value, _DATA_DIR.value, _SEED.value
    weights = _BACKBONE_WEIGHTS.value or "none"
    network = {"backbone": _BACKBONE.value or backbone_of(weights), "backbone_weights": weights,
               "image_size": _IMAGE_SIZE.value}
    if _DATASET.value != "folder":
        settings = presets.public_set(_DATASET.value, output_dir, data_dir, network,
                                                 _HELDOUT_CLASS_FRACTION.value, seed)
    elif data_dir:
        require(weights != "none" or _SMOKE.value,
                "Photographs need `backbone_weights`: a weight file, imagenet or package.",
                backbone_weights="none")
        settings = presets.photographs(output_dir, data_dir, network, seed)
    else:
        settings = presets.demo(output_dir, network, seed)
    settings = presets.with_presets(settings, _PRESET.value)
    settings = presets.of_lengths(settings, tuple(sorted({*_CODE_SIZE.value})), _LENGTHS_APART.value)
    with lock.alone_in(output_dir):
        chain.run(presets.smoke(settings) if _SMOKE.value else settings)
    command_line.finish(f"All results are in {_OUTPUT_DIR.value}.",
                        f"open {_OUTPUT_DIR.value}/report/index.html in a browser")


if __name__ == "__main__":
    command_line.run(main)
