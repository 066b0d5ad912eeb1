"""Run the whole chain, from images to metrics.json and report/index.html.

    python -m delg.run_experiment --preset=demo --output_dir=build/demo
    python -m delg.run_experiment --preset=real --data_dir=EVALUATED --train_data_dir=TRAINED \\
        --backbone_weights=package --output_dir=build/real

`demo` trains a small network on a procedural landmark world; `smoke` is the same with next to no training;
`real` learns from folders of photographs (jpg/, gnd.json, landmarks.json): of the model that comes with the
package a whitening, of a backbone from a file the heads. Finished stages are kept. On two cores: demo 7
minutes, smoke 1 minute, real below 30 minutes.
"""

from __future__ import annotations

from absl import flags

from data_prep.stage import command_line, config_flags, lock

_PRESET = flags.DEFINE_enum("preset", None, ("demo", "smoke", "real"), "Which experiment.", required=True)
_OUTPUT_DIR = config_flags.define_output("output_dir", "Folder of everything it makes.", folder=True)
_DATA_DIR = flags.DEFINE_string("data_dir", "", "real: the folder that is evaluated on.")
_TRAIN_DATA_DIR = flags.DEFINE_string(
    "train_data_dir", "", "real: the folder that is learnt from; empty: half the landmarks of data_dir.")
_BACKBONE_WEIGHTS = flags.DEFINE_string(
    "backbone_weights", "package", "real: weight file of MobileNetV2 without its top; package: "
    "EfficientNet-Lite2, whose weights the package index has.")
_SEED = flags.DEFINE_integer("seed", 0, "Of everything random.", lower_bound=0)


def main(_: list[str]) -> None:
    from delg.experiments import chain, presets  # after the flags: TensorFlow takes seconds to load

    with lock.alone_in(_OUTPUT_DIR.value):
        if _PRESET.value == "real":
            chain.run_on_photographs(
                presets.real(_OUTPUT_DIR.value, _BACKBONE_WEIGHTS.value, _SEED.value),
                _DATA_DIR.value, _TRAIN_DATA_DIR.value)
        else:
            make = presets.demo if _PRESET.value == "demo" else presets.smoke
            chain.run_on_world(make(_OUTPUT_DIR.value, _SEED.value))
    command_line.finish(f"All results are in {_OUTPUT_DIR.value}.",
                        f"open {_OUTPUT_DIR.value}/report/index.html in a browser")


if __name__ == "__main__":
    command_line.run(main)
