"""Places whose descriptors are nearly equal, such as those of one picture that was taken up many times.

What finds candidates by codes is given one of each group, and the answer has all of them: in a graph, equal
codes would link to each other alone and cut others off, and everywhere they would fill the places of others.
"""

from __future__ import annotations

import hashlib

import numpy as np

from delg.index.store import DescriptorStore

_STEPS = 64  # to which components are rounded, between 0 and 1; chosen: coarser than the codes of any finder
_ROWS = 2**15  # descriptors rounded at once


def group_places(store: DescriptorStore, known: np.ndarray) -> np.ndarray:
    """The group of each place: places of one group have descriptors that are equal once they are rounded.

    Groups are numbered by their first places. Those of one digest by chance would share a group too, which
    does no harm, as all of a group are compared exactly.

    Args:
        store: descriptors of all places, unit norm.
        known: int64, [n]; groups of the first places, which stay.

    Returns:
        int64, [N].
    """
    digests = np.concatenate([_digests(block) for _, block in store.blocks(_ROWS)])
    _, first, inverse = np.unique(digests, return_index=True, return_inverse=True)
    first_alike, places = first[inverse], np.arange(len(digests))
    groups = np.concatenate([known, np.empty(len(digests) - len(known), np.int64)])
    is_new = (first_alike == places) & (places >= len(known))
    groups[is_new] = known.max(initial=-1) + 1 + np.arange(np.count_nonzero(is_new))
    joins = ~is_new & (places >= len(known))
    groups[joins] = groups[first_alike[joins]]
    return groups


def _digests(descriptors: np.ndarray) -> np.ndarray:
    rounded = np.rint(descriptors * _STEPS).astype(np.int8)
    return np.frombuffer(b"".join(hashlib.blake2b(row, digest_size=8).digest() for row in rounded), np.uint64)


class GroupMembers:
    """The rows of each group.

    Args:
        groups: int64, [N], of every row of an index; some groups may have none.

    Attributes:
        present: int64, increasing; groups that have rows.
        any_equal: whether one has several.
    """

    def __init__(self, groups: np.ndarray):
        self._rows = np.argsort(groups, kind="stable")
        counts = np.bincount(groups)
        self._ends = np.cumsum(counts)
        self._starts = self._ends - counts
        self.present = np.flatnonzero(counts)
        self.any_equal = bool((counts > 1).any())

    def first(self, groups: np.ndarray) -> np.ndarray:
        """The first row of some groups, int64 of any shape; -1 where there is no group."""
        return np.where(groups < 0, -1, self._rows[self._starts[groups]])

    def all(self, groups: np.ndarray) -> np.ndarray:
        """The rows of all of some groups, int64 [g]; below 0: none."""
        return np.concatenate([self._rows[:0], *(self._rows[self._starts[group]:self._ends[group]]
                                                 for group in groups if group >= 0)])
