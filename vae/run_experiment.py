"""Run the whole chain on day and night, from images to metrics.json and report/index.html.

    python -m vae.run_experiment --output_dir=build/vae [--imagenet_weights=package]
    python -m vae.run_experiment --data_dir=DIR --output_dir=build/vae

Without --data_dir on the procedural world, with it on photographs in DIR/day and DIR/night, whose places
DIR/places.csv tells; places are split into those trained on and those reported. Trains the `paper` preset and
the mended one, weights channels, compares with the baselines whose files are given, tests the claims of the
original. Finished stages are kept. `--smoke` is the same with next to no training, half a minute.
"""

from __future__ import annotations

from absl import flags

from data_prep.stage import command_line, config_flags, lock
from vae.scores.config import MethodsConfig

_OUTPUT_DIR = config_flags.define_output("output_dir", "Folder of everything it makes.", folder=True)
_DATA_DIR = flags.DEFINE_string("data_dir", "", "Photographs: day/, night/, places.csv.")
_IMAGENET_WEIGHTS = flags.DEFINE_string(
    "imagenet_weights", "", "Weight file of MobileNetV2 without its top; package: EfficientNet-Lite2, whose "
    "weights the package index has; empty: encoders start from nothing.")
_VGG16_WEIGHTS = flags.DEFINE_string("vgg16_weights", "", "Weight file of VGG-16 without its top.")
_DELG_SAVED_MODEL = flags.DEFINE_string("delg_saved_model", "", "SavedModel of delg.export_model.")
_SMOKE = flags.DEFINE_bool("smoke", False, "Tiny: does every stage run?")
_SEED = flags.DEFINE_integer("seed", 0, "Of everything random.", lower_bound=0)


def main(_: list[str]) -> None:
    methods = MethodsConfig(imagenet_weights=_IMAGENET_WEIGHTS.value, vgg16_weights=_VGG16_WEIGHTS.value,
                            delg_saved_model=_DELG_SAVED_MODEL.value)
    from vae.experiments import chain, presets  # after the flags: TensorFlow takes seconds to load

    if _DATA_DIR.value:
        settings = presets.photographs(_OUTPUT_DIR.value, _DATA_DIR.value, methods, _SEED.value)
    else:
        make = presets.smoke if _SMOKE.value else presets.demo
        settings = make(_OUTPUT_DIR.value, methods, _SEED.value)
    with lock.alone_in(_OUTPUT_DIR.value):
        chain.run(settings)
    command_line.finish(f"All results are in {_OUTPUT_DIR.value}.",
                        f"open {_OUTPUT_DIR.value}/report/index.html in a browser")


if __name__ == "__main__":
    command_line.run(main)
