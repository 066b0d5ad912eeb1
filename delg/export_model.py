"""Export a trained model for extraction and serving.

    python -m delg.export_model --model_dir=build/demo/model --export_dir=build/demo/saved_model

Writes a TensorFlow SavedModel with the signatures `serving_default` (one image of any size) and `batch`, and
export_config.json beside it. Takes about 15 seconds. A finished export of the same weights is kept.
"""

from __future__ import annotations

from absl import flags

from data_prep.stage import command_line

_MODEL_DIR = flags.DEFINE_string("model_dir", None, "Folder written by delg.train.", required=True)
_EXPORT_DIR = flags.DEFINE_string("export_dir", None, "Folder of the SavedModel, made here.", required=True)


def main(_) -> None:
    from delg.exports import saving  # after the flags: TensorFlow takes seconds to load

    config = saving.export(_MODEL_DIR.value, _EXPORT_DIR.value)
    command_line.finish(
        f"{_EXPORT_DIR.value}: {config['model']['backbone']}, attention threshold "
        f"{config['attention_threshold']}, fingerprint {config['fingerprint'][:12]}.",
        f"python -m delg.extract_features --saved_model={_EXPORT_DIR.value} --pattern='SHARDS/index-*' "
        "--output_dir=FEATURES")


if __name__ == "__main__":
    command_line.run(main)
