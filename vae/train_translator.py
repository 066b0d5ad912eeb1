"""Train a translator of day and night that keeps the details of photographs, on aligned pairs.

    python -m vae.train_translator --train_pattern='shards/train-*' --export_dir=translator

For photographs that a DELG model is to describe: what its backbone sees of a translation comes near what it
sees of the true view. The backbone is to be that of the model (`--backbone`, `--backbone_weights`). Pairs are
of cameras that stand still. Some minutes; interrupted, it begins anew. Writes a SavedModel for
`delg.extract_features --photometric=translate --translator=translator` and `vae.translate_images`.
"""

from __future__ import annotations

from data_prep.stage import command_line, config_flags
from vae.training.translator_config import TranslatorConfig

_config = config_flags.define_flags(TranslatorConfig)


def main(_: list[str]) -> None:
    config = _config()
    from vae.training import detail_translation  # after the settings: TensorFlow takes seconds to load

    detail_translation.train_translator(config)
    command_line.finish(f"The translator is in {config.export_dir}.", "python -m delg.extract_features "
                        f"--photometric=translate --translator={config.export_dir} "
                        "--images_dir=PHOTOS_BY_NIGHT --saved_model=DELG_SAVED_MODEL --output_dir=FEATURES")


if __name__ == "__main__":
    command_line.run(main)
