"""Types of index that find a few hundred candidates by short codes, which are then compared exactly."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from delg.index.files import IndexFiles, IndexWriter
from delg.index.global_index import GlobalIndexKind
from delg.index.searching import ApproximateIndex, CandidateFinder
from delg.index.store import DescriptorStore
from delg.settings.index import IndexConfig, read_config


@dataclasses.dataclass(frozen=True)
class CandidateKind(GlobalIndexKind):
    """A type of index by how it finds candidates among global descriptors.

    Attributes:
        finder: class of what finds them.
    """

    finder: type[CandidateFinder] = CandidateFinder

    def write_learnt(self, store: DescriptorStore, writer: IndexWriter,
                     config: IndexConfig) -> dict[str, str]:
        rows = np.random.default_rng(config.seed).permutation(len(store))
        finder = self.finder.train(store[rows[:config.num_training_images]], config)
        finder.add(store)
        return {**finder.write_codes(writer), **finder.write_learnt(writer)}

    def write_more(self, index: ApproximateIndex, added: DescriptorStore,
                   writer: IndexWriter) -> dict[str, str]:
        index.finder.add(added)
        return index.finder.write_codes(writer)

    def open(self, descriptors: np.ndarray | DescriptorStore, ids: list[str], files: IndexFiles,
             description: dict[str, Any]) -> ApproximateIndex:
        config = read_config(description)
        return ApproximateIndex(descriptors, ids, description["fingerprint"],
                                self.finder.load(files, config), config.num_candidates)
