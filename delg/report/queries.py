"""Outcome of each query: average precision, hits, positives missed; precision-recall curves (numpy)."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import numpy as np

from delg.scores import metrics
from delg.scores.ground_truth import GroundTruth
from delg.scores.ranking import Ranking

EASY, HARD, JUNK, WRONG = "easy", "hard", "junk", "wrong"  # kinds of hits
_NUM_RECALLS = 200  # points of a precision-recall curve


@dataclasses.dataclass(frozen=True)
class Hit:
    """One image of a ranked list."""

    image_id: str
    column: int  # zero-based place in the final order, which `transforms` follow
    rank: int  # one-based, in the order it is shown in, junk counted
    kind: str  # easy | hard | junk | wrong
    similarity: float
    num_inliers: int  # -1: not verified


@dataclasses.dataclass(frozen=True)
class QueryOutcome:
    """One query: Medium average precision in [0, 1], NaN without positives, and its ranked lists.

    Hits are made when asked for: a list is as long as the index.
    """

    row: int  # row of ranking.query_ids
    query_id: str
    num_easy: int
    num_hard: int
    num_junk: int
    before: float
    after: float
    was_verified: bool
    kinds: np.ndarray  # object [K], kind of each image in the final order
    columns_before: np.ndarray  # int [K], columns of the final order, as similarity alone sorts them
    ranking: Ranking = dataclasses.field(repr=False)

    @property
    def num_positives(self) -> int:
        return self.num_easy + self.num_hard

    @property
    def has_positives(self) -> bool:
        return self.num_positives > 0

    @property
    def change(self) -> float:
        return self.after - self.before

    def hits(self, places: Iterable[int], verified: bool = True) -> list[Hit]:
        """The images at zero-based `places` of the final order, or of the order by similarity alone."""
        return [self._hit(int(place) if verified else int(self.columns_before[place]), int(place) + 1)
                for place in places]

    def first_hits(self, num_hits: int, verified: bool = True) -> list[Hit]:
        """The first `num_hits` images, or as many as there are."""
        return self.hits(range(min(num_hits, len(self.kinds))), verified)

    def _hit(self, column: int, rank: int) -> Hit:
        image = int(self.ranking.ranks[self.row, column])
        return Hit(self.ranking.index_ids[image], column, rank, str(self.kinds[column]),
                   float(self.ranking.similarities[self.row, column]),
                   int(self.ranking.num_inliers[self.row, column]))

    def _positive_places(self) -> np.ndarray:
        return np.flatnonzero((self.kinds == EASY) | (self.kinds == HARD))

    def first_positive(self) -> Hit | None:
        """The first positive of the final order."""
        return next(iter(self.hits(self._positive_places()[:1])), None)

    def first_wrong(self) -> Hit | None:
        """The first wrong image of the final order, if some positive does not stand before it."""
        wrong = next(iter(self.hits(np.flatnonzero(self.kinds == WRONG)[:1])), None)
        if wrong is None or np.count_nonzero(self._positive_places() < wrong.rank) == self.num_positives > 0:
            return None
        return wrong

    def missed(self, num_shown: int) -> list[Hit]:
        """Positives of the final order that the first `num_shown` hits leave out."""
        places = self._positive_places()
        return self.hits(places[places >= num_shown])

    def num_among_first(self, num_first: int, verified: bool = True) -> int:
        """Positives among the first images, junk taken out."""
        kinds = self.kinds if verified else self.kinds[self.columns_before]
        kinds = kinds[kinds != JUNK][:num_first]
        return int(np.count_nonzero(kinds != WRONG))


def judge_queries(ranking: Ranking, truth: GroundTruth) -> list[QueryOutcome]:
    """The outcome of every query, in the order of the ranking. `truth` is aligned with it."""
    was_verified = ranking.num_verified > 0
    before, after = (
        metrics.score_queries(ranks, len(ranking.index_ids), truth.easy, truth.hard, truth.junk)
        ["medium"].average_precision for ranks in (ranking.global_ranks(), ranking.ranks))
    columns_before = ranking.global_columns()
    outcomes = []
    for row, query_id in enumerate(ranking.query_ids):
        kind_of = np.full(len(ranking.index_ids), WRONG, object)
        _, junk = metrics.protocol_sets("medium", truth.easy[row], truth.hard[row], truth.junk[row])
        for kind, rows in ((JUNK, junk), (HARD, truth.hard[row]), (EASY, truth.easy[row])):
            kind_of[rows] = kind
        num_easy, num_hard, num_junk = (int(np.count_nonzero(kind_of == kind)) for kind in (EASY, HARD, JUNK))
        outcomes.append(QueryOutcome(row, query_id, num_easy, num_hard, num_junk, float(before[row]),
                                     float(after[row]), was_verified, kind_of[ranking.ranks[row]],
                                     columns_before[row], ranking))
    return outcomes


def worst_first(outcomes: list[QueryOutcome]) -> list[QueryOutcome]:
    """By Medium average precision of the final order, lowest first; queries without positives last."""
    return sorted(outcomes, key=lambda outcome: (not outcome.has_positives,
                                                 outcome.after if outcome.has_positives else 0.0))


def choose_queries(outcomes: list[QueryOutcome], num_queries: int,
                   num_successes: int) -> tuple[list[QueryOutcome], list[QueryOutcome]]:
    """(failures, successes) to show in full: failures worst first, successes best first.

    Among equal successes those that verification helped most come first, then those of most positives.
    A query without positives is neither: it comes after the failures, if there is room. No more than a
    third of the queries count as successes.
    """
    ordered = worst_first(outcomes)
    scored = [outcome for outcome in ordered if outcome.has_positives]
    num_queries = min(num_queries, len(ordered))
    num_successes = min(num_successes, num_queries, len(scored) // 3)
    successes = sorted(scored, key=lambda outcome: (-outcome.after, -outcome.change,
                                                    -outcome.num_positives))[:num_successes]
    chosen = {outcome.row for outcome in successes}
    others = [outcome for outcome in ordered if outcome.row not in chosen]
    return others[:num_queries - num_successes], successes


def recall_grid() -> np.ndarray:
    """Recalls at which curves are taken, float64, [200], the middles of equal steps of [0, 1]."""
    return (np.arange(_NUM_RECALLS) + 0.5) / _NUM_RECALLS


def precision_at_recalls(positive_ranks: np.ndarray, num_positives: int) -> np.ndarray:
    """Precision of one query over `recall_grid()`, float64, [200]; the area below is its average precision.

    Between two positives the precision runs straight from just before to just after the later one: the
    trapezoids of `metrics.average_precision`. Positives never met count as precision 0.
    """
    before, after = metrics.precisions_around(positive_ranks)
    place = recall_grid() * num_positives
    step = np.minimum(place.astype(int), num_positives - 1)
    curve = np.zeros(_NUM_RECALLS)
    reached = step < before.size
    step, fraction = step[reached], (place - step)[reached]
    curve[reached] = before[step] + fraction * (after[step] - before[step])
    return curve


def mean_curves(ranks: np.ndarray, truth: GroundTruth) -> dict[str, np.ndarray]:
    """Protocol to precision over `recall_grid()`, the mean of its queries; no entry where none counts.

    Args:
        ranks: int, [Q, K], rows of the index, best first.
        truth: aligned with the ranking.
    """
    curves: dict[str, list[np.ndarray]] = {protocol: [] for protocol in metrics.PROTOCOLS}
    for _, protocol, met, num_positives in metrics.judged(ranks, len(truth.index_ids), truth.easy, truth.hard,
                                                          truth.junk):
        curves[protocol].append(precision_at_recalls(met, num_positives))
    return {protocol: np.mean(collected, axis=0) for protocol, collected in curves.items() if collected}
