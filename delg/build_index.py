"""Make a searchable index of global descriptors.

    python -m delg.build_index --features_dir=build/demo/features --index_dir=build/demo/index

`--features_dir` is the folder of the index images' feature shards, or a glob such as
'build/demo/features/index-*.h5'. Writes the descriptors, their image ids and the model's fingerprint;
seconds for a hundred thousand images.
"""

from __future__ import annotations

from absl import flags

from data_prep import command_line
from delg import index

_FEATURES_DIR = flags.DEFINE_string("features_dir", None, "Folder or glob of feature shards.", required=True)
_INDEX_DIR = flags.DEFINE_string("index_dir", None, "Folder to write the index to.", required=True)
_INDEX_TYPE = flags.DEFINE_enum("index_type", index.INDEX_TYPES[0], index.INDEX_TYPES,
                                "How neighbours are found; exact: by comparing with every image.")


def main(_: list[str]) -> None:
    built = index.build_index(_FEATURES_DIR.value, _INDEX_DIR.value)
    print(f"{len(built)} images of {built.descriptors.shape[1]} dimensions in {_INDEX_DIR.value}.")


if __name__ == "__main__":
    command_line.run(main)
