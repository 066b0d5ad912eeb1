"""Learn which channels of a trained VAE's latent tell places apart, day or night.

    python -m vae.train_channel_weights --train_pattern='shards/train-*' --vae_dir=build/vae/adversarial \\
        --model_dir=build/vae/weights [--num_layers=3] [--distance=paper]

The encoder stays as it is; triplets of places teach one weight per channel of its last `--num_layers` layers.
Writes channel_weights.json, which vae.evaluate takes, and history.csv. A minute or less; interrupted, the
same command goes on.
"""

from __future__ import annotations

from data_prep.stage import command_line, config_flags
from vae.weighting.config import WeightTrainConfig

_config = config_flags.define_flags(WeightTrainConfig)


def main(_: list[str]) -> None:
    config = _config()
    from vae.weighting import weight_training  # after the settings: TensorFlow takes seconds to load

    weight_training.train_channel_weights(config)
    command_line.finish(f"The weights are in {config.model_dir}.", "python -m vae.evaluate with "
                        f"--channel_weights={config.model_dir}")


if __name__ == "__main__":
    command_line.run(main)
