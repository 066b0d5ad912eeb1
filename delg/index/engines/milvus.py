"""Descriptors in Milvus: embedded in this process with a file, or on a server or cluster.

    digests-<g>-<i>.npy            uint64 [n], of the descriptors of n images that were added together

In the folder stand ids, digests and where the collection is: its name and `uri` under `collection` of
index.json. A change that is broken off leaves the index as it was: new images get places of their own, and
removed ones leave the collection when the index names them no more.
"""

from __future__ import annotations

import dataclasses
import secrets
from typing import Any

import numpy as np
from absl import logging

from data_prep.stage import progress
from delg.features.reader import find_feature_shards
from delg.index.admission import Admission
from delg.index.engines.collection import Address, Collection
from delg.index.engines.config import MilvusConfig
from delg.index.engines.remote_index import RemoteIndex
from delg.index.engines.upload import Upload, digests, unfinished
from delg.index.files import IndexFiles, IndexWriter, finished_description
from delg.index.global_index import admitted, pieces_of
from delg.index.kind import IndexKind
from delg.settings.kinds import GLOBAL_DESCRIPTORS

_CHECKED_ROWS = 2**13  # descriptors compared with their digests at once


@dataclasses.dataclass(frozen=True)
class MilvusKind(IndexKind):
    """The type of index whose descriptors lie in Milvus."""

    ranked_by: str = GLOBAL_DESCRIPTORS
    stems: tuple[str, ...] = ("digests",)
    settings: type[MilvusConfig] = MilvusConfig
    descriptor_dtypes: tuple[str, ...] = ("float32",)

    def build(self, features: str, writer: IndexWriter, config: MilvusConfig) -> None:
        admission = Admission()
        address = _address(writer.folder, config)
        collection = Collection(address, writer.folder)
        upload, written = _send(features, admission, writer.folder, collection, 0)
        if upload is None:
            raise ValueError("An index must hold at least one image. Received: none.")
        config = config.resolved(len(admission.ids))
        upload.finish(config.milvus_index, config.build_parameters)
        writer.finish({
            "type": config.index_type, "num_images": len(admission.ids), **admission.facts,
            "config": dataclasses.asdict(config), "collection": dataclasses.asdict(address),
            "segments": [writer.write_segment(digests=written)["digests"]],
            "arrays": {"ids": writer.write_ids(admission.ids)}})
        upload.forget()

    def append(self, features: str, writer: IndexWriter, index: RemoteIndex, admission: Admission,
               description: dict[str, Any]) -> tuple[list[str], dict[str, str]]:
        upload, written = _send(features, admission, writer.folder, index.collection, index.num_places)
        if upload is None:
            return [], {}
        config = index.config
        upload.finish(config.milvus_index, config.build_parameters)
        upload.forget()
        return [writer.write_segment(digests=written)["digests"]], {}

    def load(self, description: dict[str, Any], config: MilvusConfig, files: IndexFiles,
             check_descriptors: bool) -> RemoteIndex:
        expected = [files.map_array(name, ("uint64",), check=check_descriptors)
                    for name in description["segments"]]
        ids, kept = files.read_images(sum(map(len, expected)))
        collection = Collection(Address(**description["collection"]), files.folder)
        if not collection.exists() or collection.fingerprint() != description["fingerprint"]:
            raise FileNotFoundError(f"{collection.uri} must hold collection {collection.name!r} of the model "
                                    f"of {files.folder}: build the index again. Received: none.")
        collection.open()
        index = RemoteIndex(collection, ids, description["fingerprint"], description["dimension"],
                            sum(map(len, expected)), kept, config)
        if index.num_strays < 0:
            raise ValueError(f"Collection {collection.name!r} at {collection.uri} must hold the {len(ids)} "
                             f"images of {files.folder}: it was changed by others, build the index again. "
                             f"Received: {len(ids) + index.num_strays}.")
        if check_descriptors:
            _check(index, np.concatenate(expected), files.folder)
        return index

    def forget(self, index: RemoteIndex, places: np.ndarray) -> None:
        if index.num_strays:  # those of an update that was broken off before it came here
            kept = np.arange(index.num_places) if index.kept is None else index.kept
            places = np.union1d(places, np.setdiff1d(np.arange(index.num_places), kept))
        index.collection.delete(places)

    def discard(self, index_dir: str, description: dict[str, Any]) -> None:
        _drop(Address(**description["collection"]), index_dir)


MILVUS = MilvusKind()


def _address(index_dir: str, config: MilvusConfig) -> Address:
    """Where a new index goes: to the collection of an upload that was broken off, or to a new one."""
    found = Address.in_folder(config.uri, f"{config.collection}_{secrets.token_hex(4)}", index_dir)
    before = unfinished(index_dir)
    if before is None or before["first_place"]:
        return found
    broken_off = Address(**before["address"])
    finished = finished_description(index_dir)
    if finished and finished.get("collection") == before["address"]:
        return found
    if (broken_off.uri, broken_off.name.rpartition("_")[0]) == (found.uri, config.collection):
        return broken_off
    _drop(broken_off, index_dir)
    return found


def _drop(address: Address, index_dir: str) -> None:
    try:
        Collection(address, index_dir).drop()
    except OSError as error:
        logging.warning("Collection %s of an index that is no more was left at %s: %s",
                        address.name, address.uri, error)


def _send(features: str, admission: Admission, index_dir: str, collection: Collection,
          first_place: int) -> tuple[Upload | None, np.ndarray]:
    """Sends the images of feature shards that are admitted; the upload, and a digest of each, uint64 [n]."""
    upload, found = None, []
    pieces = admitted(pieces_of(features), admission)
    for ids, descriptors in progress.track(pieces, "Uploading", len(find_feature_shards(features)), "shards"):
        if upload is None:
            upload = Upload(index_dir, collection, first_place, {
                "address": dataclasses.asdict(collection.address), "first_place": first_place,
                "dimension": descriptors.shape[1], "fingerprint": admission.facts["fingerprint"]})
        found.append(upload.send(ids, descriptors))
    if upload is not None and upload.num_skipped:
        logging.info("%d descriptors had been sent before.", upload.num_skipped)
    return upload, np.concatenate(found or [np.empty(0, np.uint64)])


def _check(index: RemoteIndex, expected: np.ndarray, index_dir: str) -> None:
    """Raises ValueError unless every descriptor of the collection is that which was sent, to its last bit."""
    places = np.arange(index.num_places) if index.kept is None else index.kept
    for first in range(0, len(places), _CHECKED_ROWS):
        found = digests(index.descriptors[first:first + _CHECKED_ROWS])
        different = np.flatnonzero(found != expected[places[first:first + _CHECKED_ROWS]])
        if len(different):
            raise ValueError(f"Collection {index.collection.name!r} at {index.collection.uri} must hold the "
                             f"descriptors of {index_dir}: it was changed by others, build the index again. "
                             f"Received: another one of {index.ids[first + different[0]]!r}.")
