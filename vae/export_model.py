"""Export a trained VAE: encoders and translators.

    python -m vae.export_model --model_dir=build/vae/adversarial --export_dir=build/vae/saved_model

Writes a TensorFlow SavedModel with the signatures encode_day, encode_night, day_to_night and night_to_day,
and export_config.json beside it. A finished export of the same weights is kept.
"""

from __future__ import annotations

from absl import flags

from data_prep.stage import command_line, config_flags

_MODEL_DIR = flags.DEFINE_string("model_dir", None, "Folder written by vae.train.", required=True)
_EXPORT_DIR = config_flags.define_output(
    "export_dir", "Folder of the SavedModel, made here.", folder=True, renamed=True)
_WEIGHTS = flags.DEFINE_enum("weights", "last", ["last", "best"], "Of the last step, or of the lowest "
                             "validation loss.")


def main(_: list[str]) -> None:
    from vae.latents import export  # after the flags: TensorFlow takes seconds to load

    config = export.export_vae(_MODEL_DIR.value, _EXPORT_DIR.value, _WEIGHTS.value)
    command_line.finish(
        f"{_EXPORT_DIR.value}: images of {config['model']['image_size']} pixels, fingerprint "
        f"{config['fingerprint'][:12]}.",
        f"python -m vae.encode_images --saved_model={_EXPORT_DIR.value} --pattern='SHARDS/test-*' "
        "--output_dir=FEATURES")


if __name__ == "__main__":
    command_line.run(main)
