"""Extract global and local features of the images in TFRecord shards.

    python -m delg.extract_features --saved_model=build/demo/saved_model \\
        --pattern='build/demo/eval_shards/index-*' --output_dir=build/demo/features

Writes a feature shard (HDF5) per TFRecord shard and the list of images left out, and skips what is finished;
`--runner` spreads a large job over machines that share the folders. With the defaults (seven scales of up to
1024 pixels) an image takes seconds on a processor; `--local_scales= ` extracts global features only.
Published DELG and DELF models are opened too, in either SavedModel form; those with local features need
`--score_threshold` (175 for r50delg_gld, 454.6 for r50delg_gldv2clean, 357.48 for r101delg_gldv2clean).
"""

from __future__ import annotations

import os

from absl import flags

from data_prep.stage import command_line
from data_prep.stage.config_flags import define_flags
from data_prep.stage.jobs import JobConfig
from delg.settings.extraction import ExtractConfig

_SAVED_MODEL = flags.DEFINE_string("saved_model", None, "Folder made by delg.export_model, or of a "
                                  "published DELG or DELF model.", required=True)
_PATTERN = flags.DEFINE_string("pattern", None, "Glob of TFRecord shards.", required=True)
_OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Folder of the feature shards.", required=True)
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
    from delg.features import extraction  # after the settings: TensorFlow takes seconds to load

    paths = extraction.extract_features(_SAVED_MODEL.value, _PATTERN.value, _OUTPUT_DIR.value, config, job)
    split = os.path.basename(paths[0]).rsplit("-", 3)[0].replace("query", "index")
    command_line.finish(f"{len(paths)} feature shards in {_OUTPUT_DIR.value}.",
                        f"python -m delg.build_index --features_dir='{_OUTPUT_DIR.value}/{split}-*' "
                        "--index_dir=INDEX")


if __name__ == "__main__":
    command_line.run(main)
