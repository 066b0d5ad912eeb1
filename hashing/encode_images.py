"""Encode the images of TFRecord shards as binary codes.

    python -m hashing.encode_images --saved_model=SAVED_MODEL --pattern='DIR/test-*' --output_dir=CODES

Writes a code shard (HDF5: ids, labels, packed codes, real values) per TFRecord shard and skips what is
finished; split a large job by giving each process its own part of the pattern. Images that do not decode are
left out and listed in the shard. `--model_dir` takes a folder of hashing.train instead of its export.
"""

from __future__ import annotations

from absl import flags

from data_prep.stage import command_line, config_flags

_SAVED_MODEL = flags.DEFINE_string("saved_model", "", "Folder of hashing.export_model.")
_MODEL_DIR = flags.DEFINE_string("model_dir", "", "Folder of hashing.train, instead of `saved_model`.")
_PATTERN = flags.DEFINE_string("pattern", None, "Glob of TFRecord shards.", required=True)
_OUTPUT_DIR = config_flags.define_output("output_dir", "Folder of the code shards.", folder=True)
_NUM_BITS = flags.DEFINE_integer(
    "num_bits", 0, "First bits of the codes, of a length that the model was trained at; 0: all.",
    lower_bound=0)
_KEEP_FEATURES = flags.DEFINE_bool("keep_features", False, "Store the pooled features too, to compare with.")
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 64, "Images at once.", lower_bound=1)
_MAX_BAD_FRACTION = flags.DEFINE_float(
    "max_bad_fraction", 0.05, "Of the images; more that do not decode stop the job.")


def main(_: list[str]) -> None:
    from hashing.codes import encoding  # after the flags: TensorFlow takes seconds to load

    encoder = encoding.Encoder(_SAVED_MODEL.value, _MODEL_DIR.value, _NUM_BITS.value)
    paths = encoding.encode_images(encoder, _PATTERN.value, _OUTPUT_DIR.value, _KEEP_FEATURES.value,
                                   _BATCH_SIZE.value, _MAX_BAD_FRACTION.value)
    command_line.finish(f"{len(paths)} shards of {encoder.code_size}-bit codes in {_OUTPUT_DIR.value}.",
                        f"python -m hashing.build_index --codes='{_OUTPUT_DIR.value}/train-*' "
                        "--index_dir=INDEX")


if __name__ == "__main__":
    command_line.run(main)
