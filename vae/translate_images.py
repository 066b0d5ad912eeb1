"""Make day photographs of night ones, or the other way, in TFRecord shards or in a folder.

    python -m vae.translate_images --saved_model=build/vae/saved_model --images_dir=photos/night \\
        --output_dir=photos/night_as_day
    python -m vae.translate_images --saved_model=build/vae/saved_model --pattern='build/vae/shards/test-*' \\
        --output_dir=build/vae/translated --translation=day_to_night

Of a folder: an image file for each, under its path. Of shards: shards and dataset.json, which every stage
reads; photographs of the other domain stay as they are. Finished ones are kept; the same command goes on
after an interruption.
"""

from __future__ import annotations

from absl import flags

from data_prep.stage import command_line, config_flags
from data_prep.stage.settings import require
from delg.settings.extraction import ExtractConfig

_SAVED_MODEL = flags.DEFINE_string("saved_model", None, "Folder made by vae.export_model.", required=True)
_PATTERN = flags.DEFINE_string("pattern", "", "Glob of TFRecord shards.")
_IMAGES_DIR = flags.DEFINE_string("images_dir", "", "Folder of image files, instead of `pattern`.")
_OUTPUT_DIR = config_flags.define_output("output_dir", "Folder of the translations.", folder=True)
_TRANSLATION = flags.DEFINE_string("translation", ExtractConfig.translation, "Signature of the model: "
                                   "night_to_day or day_to_night.")
_RELIGHT = flags.DEFINE_bool("relight", ExtractConfig.relight, "Take of the translation the light alone; "
                             "details and colours stay those of the photograph.")
_MAX_BAD_FRACTION = flags.DEFINE_float(
    "max_bad_fraction", 0.05, "Of all images; more bad ones stop the job.", lower_bound=0.0, upper_bound=1.0)


def main(_: list[str]) -> None:
    require(bool(_PATTERN.value) != bool(_IMAGES_DIR.value), "Give `pattern` or `images_dir`.",
            pattern=_PATTERN.value, images_dir=_IMAGES_DIR.value)
    from vae.latents import translating  # after the flags: TensorFlow takes seconds to load

    settings = _OUTPUT_DIR.value, _MAX_BAD_FRACTION.value, _RELIGHT.value
    if _IMAGES_DIR.value:
        left_out = translating.translate_folder(
            _SAVED_MODEL.value, _TRANSLATION.value, _IMAGES_DIR.value, *settings)
        command_line.finish(f"Translations in {_OUTPUT_DIR.value}; {len(left_out)} images left out.",
                            "python -m delg.extract_features --saved_model=DELG_SAVED_MODEL "
                            f"--images_dir={_OUTPUT_DIR.value} --output_dir=FEATURES")
        return
    made = translating.translate_shards(_SAVED_MODEL.value, _TRANSLATION.value, _PATTERN.value, *settings)
    split = next(iter(made.splits))
    command_line.finish(
        f"{sum(part.num_examples for part in made.splits.values())} images in {_OUTPUT_DIR.value}.",
        "python -m delg.extract_features --saved_model=DELG_SAVED_MODEL "
        f"--pattern='{_OUTPUT_DIR.value}/{split}-*' --output_dir=FEATURES")


if __name__ == "__main__":
    command_line.run(main)
