"""Indexes: built from feature shards, changed without a rebuild, loaded.

Memory stays bounded: shards are read one after the other, descriptors are mapped from their files.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from delg.index.admission import Admission
from delg.index.files import (
    IndexFiles,
    IndexWriter,
    changing,
    finished_description,
    loading,
    read_description,
)
from delg.index.kind import Index, kind_of, stems_of_all
from delg.settings.index import IndexConfig, read_config
from delg.settings.kinds import INDEX_KINDS

_SHARED_FACTS = ("dimension", "fingerprint", "features")


def build_index(features: str, index_dir: str, config: IndexConfig | None = None) -> Index:
    """Writes the index of the images in the feature shards of a folder or glob, and returns it, loaded.

    An index that is already in the folder stays valid until the new one is whole.

    Args:
        features: folder or glob of feature shards; read one after the other.
        index_dir: folder to write to; made if absent.
        config: settings; None: the defaults.

    Raises:
        FileNotFoundError: if there are no shards.
        OSError: if another process is changing this index.
        ValueError: if shards are of different models or settings, or an id occurs twice; for an index of
            local features also if there are none, or fewer than codewords.
    """
    config = config or IndexConfig()
    kind = kind_of(config)
    with changing(index_dir):
        replaced = finished_description(index_dir)
        with IndexWriter(index_dir, stems_of_all()) as writer:
            kind.build(features, writer, config)
        if replaced is not None and replaced["type"] in INDEX_KINDS:
            INDEX_KINDS[replaced["type"]].discard(index_dir, replaced)
    return load_index(index_dir)


def update_index(index_dir: str, add_features: str = "",
                 remove_ids: Iterable[str] = ()) -> Index:
    """Adds the images of feature shards to an index and removes others, without building it again.

    Rows of what stays keep their order, added ones come after them in the order of their shards. Removed
    descriptors stay in their file, unused; mean, components and lists stay as they were learnt. An image
    can be replaced: removed and added in one call.

    Args:
        index_dir: written by delg.build_index.
        add_features: folder or glob of feature shards; empty: adds nothing.
        remove_ids: ids of images in the index.

    Returns:
        The index as it is now.

    Raises:
        FileNotFoundError: if there is no index, or no shards.
        OSError: if another process is changing this index.
        ValueError: if an id to remove is not there, one to add is already, none would stay, or the features
            are of another model or setting. The index is then as it was.
    """
    read_description(index_dir)  # before a folder without an index is locked
    with changing(index_dir):
        _update(index_dir, add_features, set(remove_ids))
    return load_index(index_dir)


def _update(index_dir: str, add_features: str, removed: set[str]) -> None:
    index = load_index(index_dir)
    unknown = sorted(removed.difference(index.ids))
    if unknown:
        raise ValueError(f"`remove_ids` must be ids of images in {index_dir}. Received: {unknown[0]!r}"
                         f"{f' and {len(unknown) - 1} others' if len(unknown) > 1 else ''}.")
    description = read_description(index_dir)
    staying = np.array([image_id not in removed for image_id in index.ids], bool)
    admission = Admission((image_id for image_id in index.ids if image_id not in removed),
                          {name: description[name] for name in _SHARED_FACTS})
    with IndexWriter(index_dir, stems_of_all(), description) as writer:
        added, arrays = [], dict(description["arrays"])
        if add_features:
            added, more = INDEX_KINDS[description["type"]].append(add_features, writer, index, admission,
                                                                  description)
            arrays.update(more)
        if not admission.ids:
            raise ValueError(f"`remove_ids` must leave an image in the index. Received: all {len(index)}.")
        places = np.arange(len(staying)) if index.kept is None else index.kept
        if not staying.all() or index.kept is not None:
            num_added = len(admission.ids) - np.count_nonzero(staying)
            arrays["kept"] = writer.write_array("kept", np.concatenate(
                [places[staying], index.num_places + np.arange(num_added)]).astype(np.int64))
        arrays["ids"] = writer.write_ids(admission.ids)
        writer.finish({**description, "num_images": len(admission.ids), "arrays": arrays,
                       "segments": [*description["segments"], *added]})
    INDEX_KINDS[description["type"]].forget(index, places[~staying])


def load_index(index_dir: str, check_descriptors: bool = False) -> Index:
    """The index of a folder, its descriptors or entries memory-mapped.

    Sizes of all files and checksums of all but these are compared with index.json. This finds
    damage, not malice: open no index of people you do not trust.

    Args:
        index_dir: written by delg.build_index.
        check_descriptors: whether these are read and compared with their checksums too.

    Raises:
        FileNotFoundError: if the folder holds no finished index, or a file is gone.
        ValueError: if a file is damaged, or they contradict one another.
    """
    description = read_description(index_dir)
    if description["type"] not in INDEX_KINDS:
        raise ValueError(f"`index_dir` must hold an index of type {', '.join(INDEX_KINDS)}. "
                         f"Received: {index_dir!r} of type {description['type']!r}.")
    with loading(index_dir):
        return INDEX_KINDS[description["type"]].load(description, read_config(description),
                                                     IndexFiles(index_dir, description), check_descriptors)
