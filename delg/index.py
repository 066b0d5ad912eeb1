"""Indexes of global descriptors: built from feature shards, changed without a rebuild, loaded.

Memory stays bounded: shards are read one after the other, descriptors are mapped from their files.
"""

from __future__ import annotations

import dataclasses
import glob
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from delg import exact_search
from delg.binary_codes import BinaryCodes
from delg.descriptor_store import DescriptorStore
from delg.faiss_indexes import ReducedIndex
from delg.features_io import FeatureReader, find_feature_shards
from delg.index_config import IndexConfig
from delg.index_files import IndexFiles, IndexWriter, read_description
from delg.index_search import ApproximateIndex, ExactIndex

_SEGMENT_BYTES = 2**30  # of float32 descriptors collected before they are written
_LOCAL_SETTINGS = ("local_scales", "local_dtype", "max_num_features", "score_threshold", "max_bad_fraction")
Piece = tuple[list[str], np.ndarray, dict[str, Any]]  # ids, descriptors [n, D], the extraction's settings


def build_index(features: str, index_dir: str, config: IndexConfig | None = None) -> ExactIndex:
    """Writes the index of the images in the feature shards of a folder or glob, and returns it, loaded.

    An index that is already in the folder stays valid until the new one is whole.

    Args:
        features: folder or glob of feature shards; read one after the other.
        index_dir: folder to write to; made if absent.
        config: settings; None: the defaults.

    Raises:
        FileNotFoundError: if there are no shards.
        ValueError: if shards are of different models or settings, or an id occurs twice.
    """
    return _build(_shards(features), index_dir, config or IndexConfig())


def save_index(index: ExactIndex, index_dir: str, config: IndexConfig | None = None) -> None:
    """Writes the descriptors and ids of an index to a folder, as an index of the configured type."""
    config = config or IndexConfig(index_type="exact")
    features = {"fingerprint": index.fingerprint}
    blocks = DescriptorStore([np.asarray(index.descriptors)]).blocks(2**16)
    _build(((index.ids[first:first + len(block)], block, features) for first, block in blocks),
           index_dir, config)


def update_index(index_dir: str, add_features: str = "", remove_ids: Iterable[str] = ()) -> ExactIndex:
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
        ValueError: if an id to remove is not there, one to add is already, none would stay, or the features
            are of another model or setting. The index is then as it was.
    """
    description = read_description(index_dir)
    index = load_index(index_dir)
    removed = set(remove_ids)
    unknown = sorted(removed.difference(index.ids))
    if unknown:
        raise ValueError(f"`remove_ids` must be ids of images in {index_dir}. Received: {unknown[0]!r}"
                         f"{f' and {len(unknown) - 1} others' if len(unknown) > 1 else ''}.")
    files = IndexFiles(index_dir, description)
    before = _open_store(description, files)
    staying = np.array([image_id not in removed for image_id in index.ids], bool)
    ids = [image_id for image_id in index.ids if image_id not in removed]
    writer = IndexWriter(index_dir, description)
    try:
        added = _write_segments(_shards(add_features) if add_features else (), writer, ids,
                                description["config"]["descriptor_dtype"], description)
        if not ids:
            raise ValueError(f"`remove_ids` must leave an image in the index. Received: all {len(index)}.")
        arrays = dict(description["arrays"])
        if not staying.all() or before.kept is not None:
            places = np.arange(len(staying)) if before.kept is None else before.kept
            num_added = len(ids) - np.count_nonzero(staying)
            arrays["kept"] = writer.write_array("kept", np.concatenate(
                [places[staying], before.num_places + np.arange(num_added)]).astype(np.int64))
        if added and description["type"] != "exact":
            finder = _read_finder(description, files)
            finder.add(_mapped(writer, added))
            arrays.update(_write_finder(finder, writer, learnt=False))
        arrays["ids"] = writer.write_ids(ids)
        writer.finish({**description, "num_images": len(ids), "arrays": arrays,
                       "segments": [*description["segments"], *added]})
    except BaseException:
        writer.abandon()
        raise
    return load_index(index_dir)


def load_index(index_dir: str, check_descriptors: bool = False) -> ExactIndex:
    """The index of a folder, its descriptors memory-mapped.

    Sizes of all files and checksums of all but the descriptors are compared with index.json. This finds
    damage, not malice: open no index of people you do not trust.

    Args:
        index_dir: written by delg.build_index.
        check_descriptors: whether all descriptors are read and compared with their checksums too.

    Raises:
        FileNotFoundError: if the folder holds no finished index, or a file is gone.
        ValueError: if a file is damaged, or they contradict one another.
    """
    description = read_description(index_dir)
    files = IndexFiles(index_dir, description)
    ids = files.read_ids()
    store = _open_store(description, files, check_descriptors)
    if len(ids) != len(store) or len(ids) != description["num_images"]:
        raise ValueError(f"{index_dir}: index.json promises {description['num_images']} images. "
                         f"Received: {len(ids)} ids, {len(store)} descriptors.")
    whole = len(store.segments) == 1 and store.kept is None and store.segments[0].dtype == np.float32
    descriptors = store.segments[0] if whole else store
    if description["type"] == "exact":
        return ExactIndex(descriptors, ids, description["fingerprint"])
    finder = _read_finder(description, files)
    return ApproximateIndex(descriptors, ids, description["fingerprint"], finder,
                            description["config"]["num_candidates"])


def _open_store(description: dict, files: IndexFiles, check: bool = False) -> DescriptorStore:
    """The descriptors that a description names. Raises as `load_index`."""
    segments = [files.map_descriptors(name, description["dimension"], check)
                for name in description["segments"]]
    kept = files.read_array("kept") if "kept" in description["arrays"] else None
    num_places = sum(map(len, segments))
    if kept is not None and (kept.dtype != np.int64 or kept.ndim != 1 or np.any(np.diff(kept) <= 0) or
                             len(kept) and not 0 <= kept[0] <= kept[-1] < num_places):
        raise ValueError(f"Places that are kept must increase in [0, {num_places}). Received: others.")
    return DescriptorStore(segments, kept)


def _read_finder(description: dict, files: IndexFiles) -> BinaryCodes | ReducedIndex:
    """What finds the candidates of an approximate index. Raises as `load_index`."""
    try:
        config = IndexConfig(**description["config"])
    except TypeError as error:
        raise ValueError(f"index.json must hold the settings of an index. Received: {error}.") from error
    if config.index_type == "binary":
        return BinaryCodes(files.read_array("mean"), files.read_array("codes"))
    return ReducedIndex.from_bytes(files.read_array("components"),
                                   np.frombuffer(files.read_bytes("faiss"), np.uint8), config)


def _build(pieces: Iterable[Piece], index_dir: str, config: IndexConfig) -> ExactIndex:
    writer = IndexWriter(index_dir)
    ids: list[str] = []
    facts: dict[str, Any] = {}
    try:
        segments = _write_segments(pieces, writer, ids, config.descriptor_dtype, facts)
        if not ids:
            raise ValueError("An index must hold at least one image. Received: none.")
        config = config.resolved(len(ids))
        arrays = {"ids": writer.write_ids(ids)}
        if config.index_type != "exact":
            store = _mapped(writer, segments)
            arrays.update(_write_finder(_trained(store, config), writer, learnt=True))
        writer.finish({"type": config.index_type, "num_images": len(ids), **facts,
                       "config": dataclasses.asdict(config), "segments": segments, "arrays": arrays})
    except BaseException:
        writer.abandon()
        raise
    return load_index(index_dir)


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
    for path in find_feature_shards(features):
        with FeatureReader(glob.escape(path)) as images:
            yield images.ids, images.global_descriptors, images.config


def _write_segments(pieces: Iterable[Piece], writer: IndexWriter, ids: list[str], dtype: str,
                    facts: dict[str, Any]) -> list[str]:
    """Writes descriptors as segments and appends their ids to `ids`.

    `facts` takes dimension, fingerprint and settings of the features, or holds those that they must have.
    """
    names, waiting = [], []
    known = set(ids)
    for piece_ids, descriptors, features in pieces:
        if not piece_ids:
            continue
        found = {"dimension": int(descriptors.shape[1]), "fingerprint": features.get("fingerprint", ""),
                 "features": _global_settings(features)}
        if not found["dimension"]:
            raise ValueError("Features must have global descriptors to be indexed. Received: local features "
                             f"alone from image {piece_ids[0]!r} on.")
        for name in found:
            if facts.setdefault(name, found[name]) != found[name]:
                raise ValueError(f"Features must have the {name} of the others in the index. Received: "
                                 f"{found[name]!r} from image {piece_ids[0]!r} on, {facts[name]!r} before.")
        twice = next((image_id for image_id in piece_ids if image_id in known or known.add(image_id)), None)
        if twice is not None:
            raise ValueError(f"Image ids must be unique in an index. Received: {twice!r} more than once.")
        ids.extend(piece_ids)
        waiting.append(exact_search.unit_vectors(descriptors, f"Descriptors from image {piece_ids[0]!r} on"))
        if sum(map(len, waiting)) * 4 * found["dimension"] >= _SEGMENT_BYTES:
            names.append(writer.write_descriptors(np.concatenate(waiting).astype(dtype, copy=False)))
            waiting = []
    if sum(map(len, waiting)):
        names.append(writer.write_descriptors(np.concatenate(waiting).astype(dtype, copy=False)))
    return names


def _global_settings(features: dict[str, Any]) -> dict[str, Any]:
    """Settings of an extraction that global descriptors depend on, in the form JSON gives back."""
    return json.loads(json.dumps({name: value for name, value in features.items()
                                  if name not in _LOCAL_SETTINGS}))
