"""Indexes of global descriptors: unit descriptors in segments, all compared unless a type knows better.

    descriptors-<g>-<i>.npy        float32 or float16 [n, D], unit norm; of n images that were added together
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from delg.index.admission import Admission, each_shard, settings_without
from delg.index.files import IndexFiles, IndexWriter
from delg.index.kind import DESCRIPTOR_DTYPES, CommonConfig, IndexKind, kind_of
from delg.index.searching import ExactIndex
from delg.index.store import DescriptorStore
from delg.settings.kinds import GLOBAL_DESCRIPTORS, INDEX_KINDS
from delg.vectors.unit import finite_unit_vectors

_SEGMENT_BYTES = 2**30  # of float32 descriptors collected before they are written
_LOCAL_SETTINGS = ("local_scales", "local_dtype", "recoded_from", "max_num_features", "score_threshold",
                   "max_bad_fraction")
Piece = tuple[list[str], np.ndarray, dict[str, Any]]  # ids, descriptors [n, D], the extraction's settings


@dataclasses.dataclass(frozen=True)
class GlobalIndexKind(IndexKind):
    """A type of index of global descriptors; this one compares with all of them."""

    ranked_by: str = GLOBAL_DESCRIPTORS
    stems: tuple[str, ...] = ("descriptors",)

    def build(self, features: str, writer: IndexWriter, config: CommonConfig) -> None:
        write_index(pieces_of(features), writer, config)

    def append(self, features: str, writer: IndexWriter, index: ExactIndex, admission: Admission,
               description: dict[str, Any]) -> tuple[list[str], dict[str, str]]:
        added = _write_segments(pieces_of(features), writer, admission,
                                description["config"]["descriptor_dtype"])
        return added, self.write_more(index, _mapped(writer, added), writer) if added else {}

    def load(self, description: dict[str, Any], config: CommonConfig, files: IndexFiles,
             check_descriptors: bool) -> ExactIndex:
        segments = [files.map_array(name, DESCRIPTOR_DTYPES, description["dimension"], check_descriptors)
                    for name in description["segments"]]
        ids, kept = files.read_images(sum(map(len, segments)))
        store = DescriptorStore(segments, kept)
        whole = len(segments) == 1 and kept is None and segments[0].dtype == np.float32
        return self.open(segments[0] if whole else store, ids, description["fingerprint"], config, files)

    def write_learnt(self, store: DescriptorStore, writer: IndexWriter,
                     config: CommonConfig) -> dict[str, str]:
        """Writes what the search needs besides descriptors, learnt of all of them; names by stem."""
        return {}

    def write_more(self, index: ExactIndex, added: DescriptorStore, writer: IndexWriter) -> dict[str, str]:
        """Writes the same anew for descriptors that were added to a loaded index; names by stem."""
        return {}

    def open(self, descriptors: np.ndarray | DescriptorStore, ids: list[str], fingerprint: str,
             config: CommonConfig, files: IndexFiles) -> ExactIndex:
        """The index of descriptors and ids that were loaded."""
        return ExactIndex(descriptors, ids, fingerprint)


EXACT = GlobalIndexKind(automatic_from=0)


def write_index(pieces: Iterable[Piece], writer: IndexWriter, config: CommonConfig) -> None:
    """Writes and finishes the index of some images, of the type that is configured for their number.

    Raises:
        ValueError: if there are no images, or they do not belong together.
    """
    admission = Admission()
    segments = _write_segments(pieces, writer, admission, config.descriptor_dtype)
    if not admission.ids:
        raise ValueError("An index must hold at least one image. Received: none.")
    config = config.resolved(len(admission.ids))
    arrays = {"ids": writer.write_ids(admission.ids),
              **kind_of(config).write_learnt(_mapped(writer, segments), writer, config)}
    writer.finish({"type": config.index_type, "num_images": len(admission.ids), **admission.facts,
                   "config": dataclasses.asdict(config), "segments": segments, "arrays": arrays})


def pieces_of(features: str) -> Iterator[Piece]:
    """The global descriptors of feature shards, one shard after the other."""
    for images in each_shard(features):
        yield images.ids, images.global_descriptors, images.config


def _mapped(writer: IndexWriter, segments: Sequence[str]) -> DescriptorStore:
    return DescriptorStore([np.load(writer.path(name), mmap_mode="r", allow_pickle=False)
                            for name in segments])


def _write_segments(pieces: Iterable[Piece], writer: IndexWriter, admission: Admission,
                    dtype: str) -> list[str]:
    """Writes descriptors as segments, those of images that are admitted."""
    names, waiting = [], []

    def write() -> None:
        descriptors = np.concatenate(waiting).astype(dtype, copy=False)
        names.append(writer.write_segment(descriptors=descriptors)["descriptors"])
        waiting.clear()

    for _, descriptors in admitted(pieces, admission):
        waiting.append(descriptors)
        if sum(map(len, waiting)) * 4 * descriptors.shape[1] >= _SEGMENT_BYTES:
            write()
    if waiting:
        write()
    return names


def admitted(pieces: Iterable[Piece], admission: Admission) -> Iterator[tuple[list[str], np.ndarray]]:
    """Ids and unit descriptors float32 [n, D] of pieces, as they are admitted; not of those without images.

    Raises:
        ValueError: if a piece has no global descriptors, does not belong to the others, or one is zero.
    """
    for ids, descriptors, features in pieces:
        if not ids:
            continue
        if not descriptors.shape[1]:
            others = [name for name, kind in INDEX_KINDS.items() if kind.ranked_by != GLOBAL_DESCRIPTORS]
            raise ValueError("Features must have global descriptors to be indexed, but for "
                             f"{' and '.join(others)}. "
                             f"Received: local features alone from image {ids[0]!r} on.")
        admission.admit(ids, dimension=int(descriptors.shape[1]), fingerprint=features.get("fingerprint", ""),
                        features=settings_without(features, _LOCAL_SETTINGS))
        yield ids, finite_unit_vectors(descriptors, f"Descriptors from image {ids[0]!r} on")
