"""Export a trained hashing model for encoding and serving.

    python -m hashing.export_model --model_dir=MODEL --export_dir=SAVED_MODEL

Writes a TensorFlow SavedModel with the signatures `serving_default` (uint8 images of any one size, resized
inside) and `batch` (images of the model's own size), both to `codes`, `packed_codes` and `features`, and
export_config.json beside it. Some ten seconds. A finished export of the same weights is kept.
"""

from __future__ import annotations

from absl import flags

from data_prep.stage import command_line, config_flags

_MODEL_DIR = flags.DEFINE_string("model_dir", None, "Folder written by hashing.train.", required=True)
_EXPORT_DIR = config_flags.define_output(
    "export_dir", "Folder of the SavedModel, made here.", folder=True, renamed=True)
_WEIGHTS = flags.DEFINE_enum("weights", "best", ("best", "last"), "Best by validation, or last of training.")

_NUM_BITS = flags.DEFINE_integer(
    "num_bits", 0, "First bits of the codes, of a length that the model was trained at; 0: all.",
    lower_bound=0)


def main(_: list[str]) -> None:
    from hashing.codes import export  # after the flags: TensorFlow takes seconds to load

    config = export.export(_MODEL_DIR.value, _EXPORT_DIR.value, _WEIGHTS.value, _NUM_BITS.value)
    command_line.finish(
        f"{_EXPORT_DIR.value}: {config['model']['backbone']}, {config['model']['code_size']} bits, "
        f"fingerprint {config['fingerprint'][:12]}.",
        f"python -m hashing.encode_images --saved_model={_EXPORT_DIR.value} --pattern='SHARDS/train-*' "
        "--output_dir=CODES")


if __name__ == "__main__":
    command_line.run(main)
