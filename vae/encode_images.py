"""Encode day and night images of TFRecord shards: one descriptor each, for search.

    python -m vae.encode_images --saved_model=build/vae/saved_model --pattern='build/vae/shards/test-*' \\
        --output_dir=build/vae/features

Writes a feature shard (HDF5) per TFRecord shard, which delg.build_index, delg.search_images and delg.evaluate
read, and the list of images left out; skips what is finished.
"""

from __future__ import annotations

from absl import flags

from data_prep.stage import command_line, config_flags

_SAVED_MODEL = flags.DEFINE_string("saved_model", None, "Folder made by vae.export_model.", required=True)
_PATTERN = flags.DEFINE_string("pattern", None, "Glob of TFRecord shards.", required=True)
_OUTPUT_DIR = config_flags.define_output("output_dir", "Folder of the feature shards.", folder=True)
_MAX_BAD_FRACTION = flags.DEFINE_float(
    "max_bad_fraction", 0.05, "Of all images; more bad ones stop the job.", lower_bound=0.0, upper_bound=1.0)


def main(_: list[str]) -> None:
    from vae.latents import encoding  # after the flags: TensorFlow takes seconds to load

    paths = encoding.encode_images(_SAVED_MODEL.value, _PATTERN.value, _OUTPUT_DIR.value,
                                   _MAX_BAD_FRACTION.value)
    command_line.finish(f"{len(paths)} feature shards in {_OUTPUT_DIR.value}.", "python -m delg.build_index "
                        f"--features_dir={_OUTPUT_DIR.value} --index_dir=INDEX --index_type=exact")


if __name__ == "__main__":
    command_line.run(main)
