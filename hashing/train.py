"""Trains a hashing network.

    python -m hashing.train --preset=best --code_size=32 --backbone=mobilenet_v2 --image_size=224 \\
        --backbone_weights=FILE --train_pattern='DIR/train-*' --validation_pattern='DIR/validation-*' \\
        --model_dir=MODEL

Writes MODEL/config.json, best.weights.h5, last.weights.h5, history.csv and events/ for TensorBoard. The same
command goes on after an interruption. A flag that is given replaces the preset's value; the defaults shown
are those of the preset paper2019.
"""

from __future__ import annotations

from absl import flags

from data_prep.stage import command_line
from data_prep.stage.config_flags import define_flags
from hashing.training.config import PRESETS, TrainConfig

_PRESET = flags.DEFINE_enum("preset", "best", list(PRESETS), "Settings to start from.")
_config = define_flags(TrainConfig)


def main(_: list[str]) -> None:
    config = _config(**PRESETS[_PRESET.value])
    from hashing.training import loop  # after the settings: TensorFlow takes seconds to load

    loop.train(config)
    command_line.finish(f"The model is in {config.model_dir}.", "python -m hashing.export_model "
                        f"--model_dir={config.model_dir} --export_dir=SAVED_MODEL")


if __name__ == "__main__":
    command_line.run(main)
