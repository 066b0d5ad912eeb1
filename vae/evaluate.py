"""Measure how well methods find a place in the other domain, and how far the domain shows in them.

    python -m vae.evaluate --pattern='shards/test-*' --train_pattern='shards/train-*' \\
        --paper_model=build/vae/paper --adversarial_model=build/vae/adversarial \\
        --imagenet_weights=mobilenet_v2_notop.weights.h5 --output=build/vae/metrics.json

Prints one table and writes the same as JSON: Recall@1, 5, 10 and mAP both ways with bootstrap intervals,
triplets, clustering and the domain probe, of every method with and without CLAHE. With `--translator` pixels,
ImageNet features and DELG are also judged on night photographs translated to day, and the other way. A model
with a pretrained stem is compared with its stem before training; the gain is in the JSON, paired by query. A
minute or two for a few hundred images.
"""

from __future__ import annotations

import dataclasses

from absl import flags

from data_prep.stage import command_line, config_flags, files
from vae.scores.config import MethodsConfig

_PATTERN = flags.DEFINE_string("pattern", None, "Glob of the shards of the reported places.", required=True)
_TRAIN_PATTERN = flags.DEFINE_string(
    "train_pattern", None, "Glob of the shards of other places, from which the domain probe learns.",
    required=True)
_OUTPUT = config_flags.define_output("output", "The scores to write, metrics.json.")
_IMAGE_SIZE = flags.DEFINE_integer("image_size", 224, "Side of the images that methods see, pixels.")
_SEED = flags.DEFINE_integer("seed", 0, "Of the bootstrap.", lower_bound=0)
_methods_config = config_flags.define_flags(MethodsConfig)


def main(_: list[str]) -> None:
    config = _methods_config()
    import rich.console  # after the settings, as TensorFlow takes seconds to load

    from vae.data.photographs import read_photographs
    from vae.scores import methods
    from vae.scores.evaluation import evaluate, table, with_clahe

    found, absent = methods.build_methods(config)
    reported, training = (read_photographs(pattern, _IMAGE_SIZE.value)
                          for pattern in (_PATTERN.value, _TRAIN_PATTERN.value))
    found.update(methods.untrained(config, training))
    forms = {**with_clahe(found), **methods.translated(found, config.translator)}
    result = evaluate(forms, reported, training, absent, _SEED.value)
    result["config"] = {**dataclasses.asdict(config), "image_size": _IMAGE_SIZE.value, "seed": _SEED.value}
    files.write_json(_OUTPUT.value, result)
    rich.console.Console().print(table(result))
    command_line.finish(f"All scores in {_OUTPUT.value}.")


if __name__ == "__main__":
    command_line.run(main)
