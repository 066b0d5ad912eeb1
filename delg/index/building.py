"""Indexes: built from feature shards, changed without a rebuild, loaded.

Memory stays bounded: shards are read one after the other, descriptors are mapped from their files.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from delg.index import exact
from delg.index.admission import Admission, each_shard, settings_without
from delg.index.asmk import index as asmk_index
from delg.index.asmk.index import AsmkIndex
from delg.index.candidates.binary import BinaryCodes
from delg.index.candidates.faiss_lists import ReducedIndex
from delg.index.files import IndexFiles, IndexWriter, changing, read_description
from delg.index.searching import ApproximateIndex, ExactIndex
from delg.index.store import DescriptorStore
from delg.settings.index import ASMK_TYPES, DESCRIPTOR_DTYPES, IndexConfig, read_config

_SEGMENT_BYTES = 2**30  # of float32 descriptors collected before they are written
_LOCAL_SETTINGS = ("local_scales", "local_dtype", "recoded_from", "max_num_features", "score_threshold",
                   "max_bad_fraction")
_SHARED_FACTS = ("dimension", "fingerprint", "features")
Piece = tuple[list[str], np.ndarray, dict[str, Any]]  # ids, descriptors [n, D], the extraction's settings


def build_index(features: str, index_dir: str, config: IndexConfig | None = None) -> ExactIndex | AsmkIndex:
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
    with changing(index_dir):
        if config.index_type in ASMK_TYPES:
            asmk_index.build(features, index_dir, config)
        else:
            _build(_shards(features), index_dir, config)
    return load_index(index_dir)


def save_index(index: ExactIndex, index_dir: str, config: IndexConfig | None = None) -> None:
    """Writes the descriptors and ids of an index to a folder, as an index of the configured type."""
    config = config or IndexConfig(index_type="exact")
    features = {"fingerprint": index.fingerprint}
    blocks = DescriptorStore([np.asarray(index.descriptors)]).blocks(2**16)
    with changing(index_dir):
        _build(((index.ids[first:first + len(block)], block, features) for first, block in blocks),
               index_dir, config)


def update_index(index_dir: str, add_features: str = "",
                 remove_ids: Iterable[str] = ()) -> ExactIndex | AsmkIndex:
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
    with IndexWriter(index_dir, description) as writer:
        added, arrays = [], dict(description["arrays"])
        if add_features and isinstance(index, AsmkIndex):
            added, more = asmk_index.append(add_features, writer, index, admission,
                                            len(description["segments"]))
            arrays.update(more)
        elif add_features:
            added = _write_segments(_shards(add_features), writer, admission,
                                    description["config"]["descriptor_dtype"])
            if added and isinstance(index, ApproximateIndex):
                index.finder.add(_mapped(writer, added))
                arrays.update(_write_finder(index.finder, writer, learnt=False))
        if not admission.ids:
            raise ValueError(f"`remove_ids` must leave an image in the index. Received: all {len(index)}.")
        if not staying.all() or index.kept is not None:
            places = np.arange(len(staying)) if index.kept is None else index.kept
            num_added = len(admission.ids) - np.count_nonzero(staying)
            arrays["kept"] = writer.write_array("kept", np.concatenate(
                [places[staying], index.num_places + np.arange(num_added)]).astype(np.int64))
        arrays["ids"] = writer.write_ids(admission.ids)
        writer.finish({**description, "num_images": len(admission.ids), "arrays": arrays,
                       "segments": [*description["segments"], *added]})


def load_index(index_dir: str, check_descriptors: bool = False) -> ExactIndex | AsmkIndex:
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
    files = IndexFiles(index_dir, description)
    if description["type"] in ASMK_TYPES:
        return asmk_index.load(description, files, check_descriptors)
    segments = [files.map_array(name, DESCRIPTOR_DTYPES, description["dimension"], check_descriptors)
                for name in description["segments"]]
    ids, kept = files.read_images(sum(map(len, segments)))
    store = DescriptorStore(segments, kept)
    whole = len(segments) == 1 and kept is None and segments[0].dtype == np.float32
    descriptors = segments[0] if whole else store
    if description["type"] == "exact":
        return ExactIndex(descriptors, ids, description["fingerprint"])
    config = read_config(description)
    if config.index_type == "binary":
        finder = BinaryCodes(files.read_array("mean"), files.read_array("codes"))
    else:
        finder = ReducedIndex.from_bytes(files.read_array("components"),
                                         np.frombuffer(files.read_bytes("faiss"), np.uint8), config)
    return ApproximateIndex(descriptors, ids, description["fingerprint"], finder, config.num_candidates)


def _build(pieces: Iterable[Piece], index_dir: str, config: IndexConfig) -> None:
    with IndexWriter(index_dir) as writer:
        admission = Admission()
        segments = _write_segments(pieces, writer, admission, config.descriptor_dtype)
        if not admission.ids:
            raise ValueError("An index must hold at least one image. Received: none.")
        config = config.resolved(len(admission.ids))
        arrays = {"ids": writer.write_ids(admission.ids)}
        if config.index_type != "exact":
            store = _mapped(writer, segments)
            arrays.update(_write_finder(_trained(store, config), writer, learnt=True))
        writer.finish({"type": config.index_type, "num_images": len(admission.ids), **admission.facts,
                       "config": dataclasses.asdict(config), "segments": segments, "arrays": arrays})


def _trained(store: DescriptorStore, config: IndexConfig) -> BinaryCodes | ReducedIndex:
    """The codes of a whole store, learnt from one sample of its rows."""
    count = min(len(store), config.num_training_images)
    rows = np.random.default_rng(config.seed).permutation(len(store))[:count]
    sample = store[rows]
    finder = (BinaryCodes.train(sample) if config.index_type == "binary"
              else ReducedIndex.train(sample, config))
    del sample
    finder.add(store)
    return finder


def _write_finder(finder: BinaryCodes | ReducedIndex, writer: IndexWriter, learnt: bool) -> dict[str, str]:
    """Writes the codes, and with `learnt` what they were made by; returns their names by stem."""
    if isinstance(finder, BinaryCodes):
        names = {"codes": writer.write_array("codes", finder.codes)}
        return {**names, "mean": writer.write_array("mean", finder.mean)} if learnt else names
    names = {"faiss": writer.write_faiss(finder.to_bytes())}
    return {**names, "components": writer.write_array("components", finder.components)} if learnt else names


def _mapped(writer: IndexWriter, segments: Sequence[str]) -> DescriptorStore:
    return DescriptorStore([np.load(writer.path(name), mmap_mode="r", allow_pickle=False)
                            for name in segments])


def _shards(features: str) -> Iterator[Piece]:
    for images in each_shard(features):
        yield images.ids, images.global_descriptors, images.config


def _write_segments(pieces: Iterable[Piece], writer: IndexWriter, admission: Admission,
                    dtype: str) -> list[str]:
    """Writes descriptors as segments, those of images that are admitted."""
    names, waiting = [], []

    def write() -> None:
        descriptors = np.concatenate(waiting).astype(dtype, copy=False)
        names.append(writer.write_segment(descriptors=descriptors)["descriptors"])
        waiting.clear()

    for ids, descriptors, features in pieces:
        if not ids:
            continue
        if not descriptors.shape[1]:
            raise ValueError("Features must have global descriptors to be indexed, but for asmk and "
                             f"binary_asmk. Received: local features alone from image {ids[0]!r} on.")
        admission.admit(ids, dimension=int(descriptors.shape[1]), fingerprint=features.get("fingerprint", ""),
                        features=settings_without(features, _LOCAL_SETTINGS))
        waiting.append(exact.unit_vectors(descriptors, f"Descriptors from image {ids[0]!r} on"))
        if sum(map(len, waiting)) * 4 * descriptors.shape[1] >= _SEGMENT_BYTES:
            write()
    if waiting:
        write()
    return names
