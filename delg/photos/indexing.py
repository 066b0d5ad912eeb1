"""The indexes of a folder of photographs, brought up to date with its features.

That of global descriptors is built anew, which takes a second for ten thousand photographs. That of local
features, which takes half a minute, is changed, until as many photographs came or went as it was learnt from.
"""

from __future__ import annotations

import glob
import os
import shutil
from collections.abc import Sequence

from absl import logging

from delg.features.folder_features import DescribedFolder
from delg.features.reader import FeatureReader
from delg.index import building
from delg.index.kind import Index
from delg.settings.index import IndexConfig

# Few codewords, learnt in a second: chosen, see docs/decisions/0069-sum-of-evidence.md.
_LOCAL_INDEX = IndexConfig(index_type="binary_asmk", num_training_descriptors=20_480)


def update_indexes(features_dir: str, folder: DescribedFolder, index_dir: str, local_index_dir: str,
                   indexed: Sequence[str], num_learnt: int) -> int:
    """Indexes the photographs of a folder as they are described now.

    Args:
        features_dir: of the feature shards.
        folder: what features there are.
        index_dir: of the index of global descriptors.
        local_index_dir: of that of local features; not there afterwards if no photograph has any.
        indexed: names of the shards that both indexes are of.
        num_learnt: photographs that the codewords of local features were learnt from; 0: build it.

    Returns:
        The new `num_learnt`; 0: there is no index of local features.
    """
    building.build_index(features_dir, index_dir)
    if num_learnt and _change(folder, local_index_dir, indexed, num_learnt):
        return num_learnt
    with FeatureReader(features_dir) as features:
        if not features.num_local_features.any():
            shutil.rmtree(local_index_dir, ignore_errors=True)
            return 0
    building.build_index(features_dir, local_index_dir, _LOCAL_INDEX)
    return len(folder.path_of)


def load_whole(index_dir: str) -> Index | None:
    """An index, or None where it was removed by hand or is damaged: then it is built again."""
    try:
        return building.load_index(index_dir)
    except (FileNotFoundError, ValueError) as error:
        logging.warning("The index is built again: %s", error)
        return None


def _change(folder: DescribedFolder, index_dir: str, indexed: Sequence[str], num_learnt: int) -> bool:
    """Adds what shards brought and removes what is gone; whether so little changed that this serves.

    What is in new shards is replaced, whether it is new or not, so a change that was broken off is no harm.
    """
    index = load_whole(index_dir)
    if index is None:
        return False
    new_shards = [path for path in folder.shards if os.path.basename(path) not in indexed]
    brought = {image_id for image_id, path in folder.shard_of.items() if path in new_shards}
    if len(folder.path_of) > 2 * num_learnt or index.num_places + len(brought) > 2 * len(folder.path_of):
        return False
    leaving = {path: [] for path in ("", *new_shards)}
    for image_id in index.ids:
        if image_id not in folder.path_of:
            leaving[""].append(image_id)
        elif image_id in brought:
            leaving[folder.shard_of[image_id]].append(image_id)
    gone = leaving.pop("")
    for path, replaced in leaving.items():
        building.update_index(index_dir, glob.escape(path), gone + replaced)
        gone = []
    if gone:
        building.update_index(index_dir, remove_ids=gone)
    return True
