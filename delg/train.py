"""Trains a DELG model.

    python -m delg.train --train_pattern='DIR/train-*' --validation_pattern='DIR/validation-*' \\
        --heldout_pattern='DIR/heldout-*' --model_dir=MODEL --backbone=resnet50

Writes MODEL/config.json, best.weights.h5, last.weights.h5, history.csv and events/ for TensorBoard. The same
command goes on after an interruption. The paper's settings are the defaults, 500,000 steps: days on several
accelerators. On two processor cores resnet18 of width 0.25 at 128 pixels takes some 400 images a second.
"""

from data_prep.stage import command_line
from data_prep.stage.config_flags import define_flags
from delg.settings.training import TrainConfig

_config = define_flags(TrainConfig)


def main(_):
    from delg.training import loop  # TensorFlow takes seconds to import; a wrong flag should not

    config = _config()
    loop.train(config)
    command_line.finish(f"The model is in {config.model_dir}.", "python -m delg.export_model "
                        f"--model_dir={config.model_dir} --export_dir=SAVED_MODEL")


if __name__ == "__main__":
    command_line.run(main)
