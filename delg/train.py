"""Trains a DELG model.

    python -m delg.train --train_pattern='DIR/train-*' --validation_pattern='DIR/validation-*' \\
        --heldout_pattern='DIR/heldout-*' --model_dir=MODEL --backbone=resnet50

Writes MODEL/config.json, best.weights.h5, last.weights.h5, history.csv and events/ for TensorBoard. The same
command goes on after an interruption. The paper's settings are the defaults, 500,000 steps: days on several
accelerators. On two processor cores resnet18 of width 0.25 at 128 pixels takes some 400 images a second.
`--preset=heads` trains attention and autoencoder alone, on a pretrained backbone: 300 steps, minutes there. A
flag that is given replaces the preset's value; the defaults shown are those of the preset paper.
"""

from absl import flags

from data_prep.stage import command_line
from data_prep.stage.config_flags import define_flags
from delg.settings.training import PRESETS, TrainConfig

_PRESET = flags.DEFINE_enum("preset", "paper", list(PRESETS), "Settings to start from.")
_config = define_flags(TrainConfig)


def main(_):
    from delg.training import loop  # TensorFlow takes seconds to import; a wrong flag should not

    config = _config(**PRESETS[_PRESET.value])
    loop.train(config)
    command_line.finish(f"The model is in {config.model_dir}.", "python -m delg.export_model "
                        f"--model_dir={config.model_dir} --export_dir=SAVED_MODEL")


if __name__ == "__main__":
    command_line.run(main)
