"""Adapt the codes of a trained model to the images that are to be found, without their labels.

    python -m hashing.adapt_codes --model_dir=MODEL --index_pattern='SHARDS/index-*' \\
        --train_pattern='SHARDS/train-*' --output_dir=ADAPTED

Bits that were chosen on the classes of training part those well and others badly. Here the code layer begins
anew on the images of the index: classes that nobody trained on are found much better, those of training as
well as before. Some seconds and one pass over the index. ADAPTED is a model folder like MODEL, with other
codes: all images are to be encoded by it, queries too.
"""

from __future__ import annotations

from data_prep.stage import command_line, config_flags
from hashing.training.adapt_config import AdaptConfig

_config = config_flags.define_flags(AdaptConfig)


def main(_: list[str]) -> None:
    config = _config()
    from hashing.training import adaptation  # after the settings: TensorFlow takes seconds to load

    adaptation.adapt(config)
    command_line.finish(f"The model is in {config.output_dir}.", "python -m hashing.encode_images "
                        f"--model_dir={config.output_dir} --pattern='{config.index_pattern[0]}' "
                        "--output_dir=CODES")


if __name__ == "__main__":
    command_line.run(main)
