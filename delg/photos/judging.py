"""How sure it is that a hit shows what the query shows."""

from __future__ import annotations

from collections.abc import Sequence

from delg.scores.found import ONLY_ALIKE, SAME, UNSURE

NOT_HERE = "not in this collection"


def judge(num_inliers: int, floor: int) -> tuple[float | None, str]:
    """Placeholder until probabilities are fitted: none, and a word by the floor on inliers alone."""
    return None, (SAME if num_inliers >= 2 * floor else UNSURE if num_inliers >= floor else ONLY_ALIKE)


def query_word(words: Sequence[str | None]) -> str:
    """The verdict on a query: the best of those on its hits, or that it is not here."""
    return SAME if SAME in words else UNSURE if UNSURE in words else NOT_HERE
