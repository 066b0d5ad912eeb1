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

from absl import flags

from data_prep.stage import command_line
from data_prep.stage.jobs import JobConfig
from delg.settings.extraction import EXTRACT_PRECISIONS, LOCAL_DTYPES, ExtractConfig

_SAVED_MODEL = flags.DEFINE_string("saved_model", None, "Folder made by delg.export_model, or of a "
                                  "published DELG or DELF model.", required=True)
_PATTERN = flags.DEFINE_string("pattern", None, "Glob of TFRecord shards.", required=True)
_OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Folder of the feature shards.", required=True)
_MAX_IMAGE_SIZE = flags.DEFINE_integer("max_image_size", ExtractConfig.max_image_size,
                                       "Pixels; images of a longer side above it are shrunk. 0: never.")
_GLOBAL_SCALES = flags.DEFINE_list(
    "global_scales", [str(scale) for scale in ExtractConfig.global_scales],
    "Factors to resize an image by for its global descriptor; empty: none.")
_LOCAL_SCALES = flags.DEFINE_list(
    "local_scales", [str(scale) for scale in ExtractConfig.local_scales],
    "Factors to resize an image by for its local features; empty: none.")
_MAX_NUM_FEATURES = flags.DEFINE_integer("max_num_features", ExtractConfig.max_num_features,
                                         "Local features kept per image.")
_SCORE_THRESHOLD = flags.DEFINE_float(
    "score_threshold", ExtractConfig.score_threshold,
    "Least attention score of a local feature. Unset: the one that the model learnt.")
_LOCAL_DTYPE = flags.DEFINE_enum(
    "local_dtype", ExtractConfig.local_dtype, LOCAL_DTYPES, "Type local descriptors are stored in: "
    "int8 is half the size of float16, binary (a sign bit a dimension) a sixteenth.")
_WHITENING = flags.DEFINE_string(
    "whitening", ExtractConfig.whitening, "File of delg.fit_whitening, for global descriptors. Empty: none.")
_PRECISION = flags.DEFINE_enum(
    "precision", ExtractConfig.precision, EXTRACT_PRECISIONS,
    "What the model computes in; auto: bfloat16 where the processor has it and the model's descriptors of a "
    "test image stay the same to a cosine of 0.999, else float32.")
_BATCH_SIZE = flags.DEFINE_integer(
    "batch_size", ExtractConfig.batch_size, "Images of one size computed together; of large images fewer.")
_RUNNER = flags.DEFINE_string("runner", "local", "Where to run: local, one shard after another; embedded, "
                              "Beam in this process; or a Beam runner such as FlinkRunner, SparkRunner.")
_RUNNER_OPTIONS = flags.DEFINE_multi_string(
    "runner_options", [], "An option of the Beam runner, such as --flink_master=host:8081; to be repeated.")
_NUM_WORKERS = flags.DEFINE_integer("num_workers", 0, "Shards at a time of the embedded runner; 0: one.")
_MAX_BAD_FRACTION = flags.DEFINE_float(
    "max_bad_fraction", ExtractConfig.max_bad_fraction, "Of all images; more bad ones stop the job.")


def _scales(flag: flags.FlagHolder) -> tuple[float, ...]:
    try:
        return tuple(float(value) for value in flag.value if value.strip())
    except ValueError as error:
        raise ValueError(f"`{flag.name}` must be numbers separated by commas. "
                         f"Received: {','.join(flag.value)}.") from error


def main(_) -> None:
    config = ExtractConfig(
        max_image_size=_MAX_IMAGE_SIZE.value, global_scales=_scales(_GLOBAL_SCALES),
        local_scales=_scales(_LOCAL_SCALES), max_num_features=_MAX_NUM_FEATURES.value,
        score_threshold=_SCORE_THRESHOLD.value, local_dtype=_LOCAL_DTYPE.value,
        whitening=_WHITENING.value, precision=_PRECISION.value, batch_size=_BATCH_SIZE.value,
        max_bad_fraction=_MAX_BAD_FRACTION.value)
    job = None if _RUNNER.value == "local" else JobConfig(
        _RUNNER.value, tuple(_RUNNER_OPTIONS.value), _NUM_WORKERS.value)
    from delg.features import extraction  # after the settings: TensorFlow takes seconds to load

    paths = extraction.extract_features(_SAVED_MODEL.value, _PATTERN.value, _OUTPUT_DIR.value, config, job)
    print(f"{len(paths)} feature shards in {_OUTPUT_DIR.value}.")


if __name__ == "__main__":
    command_line.run(main)
