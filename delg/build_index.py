"""Make a searchable index of global descriptors, or of aggregated local features.

    python -m delg.build_index --features_dir='build/demo/features/index-*.h5' --index_dir=build/demo/index

`--features_dir` may also be a folder that holds the feature shards of the index images alone. `--index_type`
says how neighbours are found: `exact` compares the global descriptor with every image's, `binary`, `ivf` and
`hnsw` find candidates by short codes and compare those exactly. `asmk` and `binary_asmk` compare local
features, aggregated at codewords: learn these from images that are not searched (`--codebook_features`), or
scores flatter what they would be elsewhere. Writes descriptors, ids, codes, checksums and the model's
fingerprint; an index that is there stays valid until the new one is whole. Seconds for a hundred thousand
images; `hnsw` takes minutes, `asmk` hours.
"""

from __future__ import annotations

from absl import flags

from data_prep.stage import command_line, config_flags
from delg.settings.index import IndexConfig

_FEATURES_DIR = flags.DEFINE_string("features_dir", None, "Folder or glob of feature shards.", required=True)
_INDEX_DIR = config_flags.define_output("index_dir", "Folder to write the index to.", folder=True)
_index_config = config_flags.define_flags(IndexConfig)


def main(_: list[str]) -> None:
    config = _index_config()
    from delg.index import building  # after the settings: FAISS takes its time to load

    built = building.build_index(_FEATURES_DIR.value, _INDEX_DIR.value, config)
    command_line.finish(f"{len(built)} images of {built.dimension} dimensions in {_INDEX_DIR.value}.",
                        "python -m delg.search_images --query_features='FEATURES/query-*' "
                        f"--index_features='{_FEATURES_DIR.value}' --index_dir={_INDEX_DIR.value} "
                        "--output=ranking.h5")


if __name__ == "__main__":
    command_line.run(main)
