"""Add images to an index and remove others, without building it again.

    python -m delg.update_index --index_dir=build/demo/index --add_features='new/index-*.h5' \\
        --remove_ids=00ab,00cd

Takes seconds; adding to an index that finds candidates reads all its descriptors once. The features to add
must be of the same model and settings. Images are replaced by removing and adding them in one call. Removed
descriptors keep their place on disk until the index is built again.
"""

from __future__ import annotations

import os

from absl import flags

from data_prep.sources.formats.tables import read_list
from data_prep.stage import command_line, config_flags

_INDEX_DIR = config_flags.define_output("index_dir", "Folder made by delg.build_index.", folder=True)
_ADD_FEATURES = flags.DEFINE_string("add_features", "", "Folder or glob of feature shards to add.")
_REMOVE_IDS = flags.DEFINE_list("remove_ids", [], "Ids of images to remove, with commas between them.")
_REMOVE_IDS_FILE = flags.DEFINE_string("remove_ids_file", "",
                                       "Ids to remove: one a line, or a table with a column id.")


def main(_: list[str]) -> None:
    remove_ids = set(_REMOVE_IDS.value)
    if _REMOVE_IDS_FILE.value:
        if not os.path.isfile(_REMOVE_IDS_FILE.value):
            raise FileNotFoundError("`remove_ids_file` must be a file. "
                                    f"Received: {_REMOVE_IDS_FILE.value!r}, which does not exist.")
        remove_ids.update(image for _, (image,) in read_list(_REMOVE_IDS_FILE.value, "id")[0])
    if not remove_ids and not _ADD_FEATURES.value:
        raise ValueError("One of `add_features`, `remove_ids` and `remove_ids_file` must be given. "
                         "Received: none.")
    from delg.index import building  # after the flags: FAISS takes its time to load

    changed = building.update_index(_INDEX_DIR.value, _ADD_FEATURES.value, remove_ids)
    command_line.finish(f"{len(changed)} images in {_INDEX_DIR.value}, {len(remove_ids)} removed.",
                        "python -m delg.search_images --query_features='FEATURES/query-*' "
                        "--index_features=ALL_INDEX_FEATURES "
                        f"--index_dir={_INDEX_DIR.value} --output=ranking.h5")


if __name__ == "__main__":
    command_line.run(main)
