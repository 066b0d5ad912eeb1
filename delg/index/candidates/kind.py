"""Types of index that find a few hundred candidates by short codes, which are then compared exactly."""

from __future__ import annotations

import dataclasses

import numpy as np

from data_prep.stage.settings import setting
from delg.index.files import IndexFiles, IndexWriter
from delg.index.global_index import GlobalIndexKind
from delg.index.groups import group_places
from delg.index.kind import CommonConfig
from delg.index.searching import ApproximateIndex, CandidateFinder
from delg.index.store import DescriptorStore


@dataclasses.dataclass(frozen=True)
class CandidateConfig(CommonConfig):
    """Settings of every type that finds candidates."""

    num_candidates: int = setting(
        800, help="images re-scored exactly per query, more if more results are asked for", range="[1, inf)")
    num_training_images: int = setting(
        200_000, help="images sampled once to learn mean, components and lists from", range="[1, inf)")


@dataclasses.dataclass(frozen=True)
class CandidateKind(GlobalIndexKind):
    """A type of index by how it finds candidates among global descriptors.

    Attributes:
        finder: class of what finds them.
    """

    settings: type[CandidateConfig] = CandidateConfig
    finder: type[CandidateFinder] = CandidateFinder

    def write_learnt(self, store: DescriptorStore, writer: IndexWriter,
                     config: CandidateConfig) -> dict[str, str]:
        rows = np.random.default_rng(config.seed).permutation(len(store))
        finder = self.finder.train(store[rows[:config.num_training_images]], config)
        return {**_write_codes(finder, store, np.empty(0, np.int64), writer), **finder.write_learnt(writer)}

    def write_more(self, index: ApproximateIndex, added: DescriptorStore,
                   writer: IndexWriter) -> dict[str, str]:
        segments = DescriptorStore.of(index.descriptors).segments
        return _write_codes(index.finder, DescriptorStore([*segments, *added.segments]), index.groups, writer)

    def open(self, descriptors: np.ndarray | DescriptorStore, ids: list[str], fingerprint: str,
             config: CandidateConfig, files: IndexFiles) -> ApproximateIndex:
        return ApproximateIndex(descriptors, ids, fingerprint, self.finder.load(files, config),
                                config.num_candidates, files.read_groups())


def _write_codes(finder: CandidateFinder, store: DescriptorStore, known: np.ndarray,
                 writer: IndexWriter) -> dict[str, str]:
    """Gives a finder the first place of each new group; writes its codes, and groups where some are equal."""
    groups = group_places(store, known)
    _, first = np.unique(groups, return_index=True)
    finder.add(DescriptorStore(store.segments, first[first >= len(known)]))
    written = finder.write_codes(writer)
    if len(first) < len(groups):
        written["groups"] = writer.write_array("groups", groups)
    return written
