"""Trains a day/night VAE.

    python -m vae.train --preset=adversarial --train_pattern='DIR/train-*' \
        --validation_pattern='DIR/validation-*' --model_dir=MODEL

On photographs the encoder had better start from a backbone:

    python -m vae.train --preset=paired --pairing=place --image_size=224 --descriptor_grid=14 \
        --center_latent=false --whiten_latent=false --weigh_parts=false --relit_contrast_weight=0 \
        --stem=mobilenet_v2 --stem_weights=FILE --train_pattern=... --model_dir=MODEL

Writes MODEL/config.json, last.weights.h5, best.weights.h5, history.csv and events/ for TensorBoard, with
pictures. The same command goes on after an interruption. A flag that is given replaces the preset's value;
the defaults shown are those of the preset paper.
"""

from __future__ import annotations

from absl import flags

from data_prep.stage import command_line
from data_prep.stage.config_flags import define_flags
from vae.training.config import PRESETS, TrainConfig

_PRESET = flags.DEFINE_enum("preset", "paper", list(PRESETS), "Settings to start from.")
_config = define_flags(TrainConfig)


def main(_: list[str]) -> None:
    config = _config(**PRESETS[_PRESET.value])
    from vae.training import loop  # after the settings: TensorFlow takes seconds to load

    loop.train(config)
    command_line.finish(f"The model is in {config.model_dir}.", "python -m vae.export_model "
                        f"--model_dir={config.model_dir} --export_dir=SAVED_MODEL")


if __name__ == "__main__":
    command_line.run(main)
