"""Extract global and local features of the images in TFRecord shards.

    python -m delg.extract_features --saved_model=build/demo/saved_model \\
        --pattern='build/demo/eval_shards/index-*' --output_dir=build/demo/features

    python -m delg.extract_features --saved_model=SAVED_MODEL --images_dir=photos --output_dir=features

Writes a feature shard (HDF5) per TFRecord shard and the list of images left out, and skips what is finished;
`--runner` spreads a large job over machines that share the folders. With `--images_dir` a folder of image
files is described and kept up to date: what is new or changed is described, what is gone goes, ids are paths.
With the defaults (seven scales of up to 1024 pixels) an image takes seconds on a processor;
`--local_scales= ` extracts global features only.
Published DELG and DELF models are opened too, in either SavedModel form; those with local features need
`--score_threshold` (175 for r50delg_gld, 454.6 for r50delg_gldv2clean, 357.48 for r101delg_gldv2clean).
"""

from __future__ import annotations

import os

from absl import flags

from data_prep.stage import command_line
from data_prep.stage.config_flags import define_flags, define_output
from data_prep.stage.jobs import JobConfig
from data_prep.stage.settings import require
from delg.settings.extraction import ExtractConfig

_SAVED_MODEL = flags.DEFINE_string("saved_model", None, "Folder made by delg.export_model, or of a "
                                  "published DELG or DELF model.", required=True)
_PATTERN = flags.DEFINE_string("pattern", "", "Glob of TFRecord shards.")
_IMAGES_DIR = flags.DEFINE_string("images_dir", "", "Folder of image files, instead of `pattern`.")
_OUTPUT_DIR = define_output("output_dir", "Folder of the feature shards.", folder=True)
_config = define_flags(ExtractConfig)
_RUNNER = flags.DEFINE_string("runner", "local", "Where to run: local, one shard after another; embedded, "
                              "Beam in this process; or a Beam runner such as FlinkRunner, SparkRunner.")
_RUNNER_OPTIONS = flags.DEFINE_multi_string(
    "runner_options", [], "An option of the Beam runner, such as --flink_master=host:8081; to be repeated.")
_NUM_WORKERS = flags.DEFINE_integer("num_workers", 0, "Shards at a time of the embedded runner; 0: one.")


def main(_) -> None:
    config = _config()
    job = None if _RUNNER.value == "local" else JobConfig(
        _RUNNER.value, tuple(_RUNNER_OPTIONS.value), _NUM_WORKERS.value)
    require(bool(_PATTERN.value) != bool(_IMAGES_DIR.value), "Give `pattern` or `images_dir`.",
            pattern=_PATTERN.value, images_dir=_IMAGES_DIR.value)
    require(job is None or not _IMAGES_DIR.value, "`images_dir` must be described by this process.",
            runner=_RUNNER.value)
    from delg.features import extraction  # after the settings: TensorFlow takes seconds to load

    if _IMAGES_DIR.value:
        described = extraction.extract_folder(
            _SAVED_MODEL.value, _IMAGES_DIR.value, _OUTPUT_DIR.value, config)
        command_line.finish(
            f"{len(described.path_of)} images in {_OUTPUT_DIR.value}, {described.num_described} of them new "
            f"or changed; {len(described.left_out)} left out.",
            f"python -m delg.build_index --features_dir='{_OUTPUT_DIR.value}' --index_dir=INDEX")
        return
    paths = extraction.extract_features(_SAVED_MODEL.value, _PATTERN.value, _OUTPUT_DIR.value, config, job)
    split = os.path.basename(paths[0]).rsplit("-", 3)[0].replace("query", "index")
    command_line.finish(f"{len(paths)} feature shards in {_OUTPUT_DIR.value}.",
                        f"python -m delg.build_index --features_dir='{_OUTPUT_DIR.value}/{split}-*' "
                        "--index_dir=INDEX")


if __name__ == "__main__":
    command_line.run(main)
