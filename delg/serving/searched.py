"""What a server searches, as it is at one moment, and one search in it, step by step."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np

from delg.features.described import DescribedImages
from delg.features.reader import FeatureReader
from delg.features.shards import ImageFeatures
from delg.geometry import placing, verdict
from delg.geometry.comparing import Comparison, compare
from delg.geometry.verdict import VerdictModel
from delg.index.kind import Index
from delg.places.known import KnownPlaces
from delg.places.located import located_hits, place_by_hits
from delg.scores.found import ONLY_ALIKE, FoundImage, Place
from delg.search import first_search, floor, verified_order, verifying
from delg.search.first_search import Found
from delg.settings.search import SearchConfig

_CALIBRATED = 32  # images whose pairs tell the least number of inliers; chosen


@dataclasses.dataclass(frozen=True)
class Searched:
    """Images that can be searched. Nothing of it changes: a change of the collection makes another one.

    Attributes:
        images: their features.
        index: of their global descriptors.
        feature_rows: int, [N], row in `images` of each image of the index.
        local_index: of the same images by local features; None: there is none.
        config: settings of the search; its `min_inliers` is the floor.
        verdict: model of verdicts.
        paths: id -> path of the image file, of those that have a picture.
        sha256: id -> SHA-256 of the image file, where it is known.
        places: where images were taken.
    """

    images: FeatureReader
    index: Index
    feature_rows: np.ndarray
    local_index: Index | None
    config: SearchConfig
    verdict: VerdictModel
    paths: Mapping[str, str]
    sha256: Mapping[str, str] = dataclasses.field(default_factory=dict)
    places: KnownPlaces = dataclasses.field(default_factory=KnownPlaces)

    def features_of(self, image_id: str) -> ImageFeatures:
        """Features of an image of the collection; KeyError where there is none."""
        return self.images.image(self.images.row_of[image_id])

    def place_of(self, image_id: str) -> Place | None:
        """Where an image was taken; None: not known."""
        return self.places.of_image(image_id, self.paths.get(image_id, ""))

    def same_files(self, sha256: str) -> set[str]:
        """Ids of the images whose files have this SHA-256."""
        return {image_id for image_id, other in self.sha256.items() if other == sha256}


def calibrated(searched: Searched) -> Searched:
    """The same with a floor on inliers, found among its own images; see `delg.search.floor`."""
    rows = np.unique(np.linspace(0, len(searched.images) - 1, _CALIBRATED).astype(int))
    some = DescribedImages([searched.images.ids[row] for row in rows], list(map(searched.images.image, rows)))
    ranks, _ = searched.index.search(some.global_descriptors, 0)
    with verifying.query_verifiers("", "", searched.config, 1, 0, some, searched.images) as verify:
        return dataclasses.replace(searched, config=floor.with_floor(
            searched.config, verify, ranks, searched.feature_rows))


@dataclasses.dataclass(frozen=True)
class Matches:
    """What is drawn between the query and a hit.

    Attributes:
        query_size, image_size: height and width, pixels.
        query_yx, image_yx: float32, [k, 2], pixels; row i matches row i.
        outline_xy: float64, [n, 2], pixels of the hit: where the query, or its box, lies; None: not known.
    """

    query_size: tuple[int, int]
    image_size: tuple[int, int]
    query_yx: np.ndarray
    image_yx: np.ndarray
    outline_xy: np.ndarray | None


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a search has found so far.

    Attributes:
        hits: best first; those not verified yet have no verdict.
        verdict: on the query; None: not verified yet.
        is_final: whether nothing more comes.
        place: of the query, its own or, in the final answer, told by the hits; None: cannot be told.
    """

    hits: tuple[FoundImage, ...]
    verdict: str | None = None
    is_final: bool = False
    place: Place | None = None


class Search:
    """One search: global descriptors first, then local features, then geometry, one hit after the other.

    Args:
        searched: what is searched.
        query: features of the query.
        left_out: ids of images that are no hits, such as the query itself.
        box: x1, y1, x2, y2, pixels of the query, that its features are of; None: the whole image.
        num_hits: kept at most.
        place: where the query was taken; None: not known.

    Attributes:
        query_size: height and width of the query, pixels.
        matches: by id, what is drawn between query and hit; fills while it goes on.
    """

    def __init__(self, searched: Searched, query: ImageFeatures, left_out: Collection[str],
                 box: Sequence[float] | None, num_hits: int, place: Place | None = None):
        self._place = place
        self._place_of = functools.lru_cache(None)(searched.place_of)  # each step asks for those of all hits
        self._searched, self._query, self._box, self._num_hits = searched, query, box, num_hits
        self._left_out = left_out
        self.query_size = query.image_size
        self.matches: dict[str, Matches] = {}

    def steps(self) -> Iterator[Answer]:
        """Answers, each knowing more than the one before; the last is final. To be taken once."""
        try:
            yield from self._steps()
        finally:  # a search is kept for its matches, not for files and index of an older collection
            del self._searched, self._query, self._place_of

    def _steps(self) -> Iterator[Answer]:
        searched, config = self._searched, self._searched.config
        num_verified = min(config.num_rerank, len(searched.index))
        wanted = max(num_verified, self._num_hits) + len(self._left_out)
        described = DescribedImages([""], [self._query])
        config = dataclasses.replace(config, num_neighbors=wanted)
        found = self._without_left_out(first_search.first_search(described, searched.index, None, config))
        yield self._answer(found)
        if searched.local_index is not None:
            found = self._without_left_out(first_search.first_search(
                described, searched.index, searched.local_index, config))
        num_verified = min(num_verified, found.ranks.shape[1]) if len(self._query.local) else 0
        judged: dict[int, FoundImage] = {}
        counts = np.full(found.ranks.shape[1], -1, np.int32)
        for column in range(num_verified):
            yield self._answer(found, judged)
            counts[column] = self._judge(found, column, judged)
        yield self._final(found, counts, num_verified, judged)

    def _without_left_out(self, found: Found) -> Found:
        ids = self._searched.index.ids
        return found.at([column for column, rank in enumerate(found.ranks[0])
                         if ids[rank] not in self._left_out])

    def _judge(self, found: Found, column: int, judged: dict[int, FoundImage]) -> int:
        """Verifies the hit at a place; returns its inliers."""
        searched, rank = self._searched, int(found.ranks[0, column])
        image_id = searched.index.ids[rank]
        comparison = compare(self._query, searched.images.image(int(searched.feature_rows[rank])),
                             searched.config)
        local = 0.0 if found.local_similarities is None else float(found.local_similarities[0, column])
        hit, matches = judged_hit(searched, image_id, comparison, local, self._box)
        judged[rank] = dataclasses.replace(hit, similarity=float(found.similarities[0, column]))
        self.matches[image_id] = matches
        return hit.num_inliers

    def _final(self, found: Found, counts: np.ndarray, num_verified: int,
               judged: Mapping[int, FoundImage]) -> Answer:
        config, index = self._searched.config, self._searched.index
        descriptors = index.descriptors[found.ranks[0]] if config.expand_query else None
        order = verified_order.verified_order(found.scores(config)[0], counts, num_verified, config,
                                              self._query.global_descriptor, descriptors)
        found.reorder(0, order)
        return self._answer(found, judged, is_final=True)

    def _answer(self, found: Found, judged: Mapping[int, FoundImage] | None = None,
                is_final: bool = False) -> Answer:
        judged, hits = judged or {}, []
        shown = zip(found.ranks[0, :self._num_hits].tolist(), found.similarities[0].tolist())
        for place, (rank, similarity) in enumerate(shown, 1):
            hit = judged.get(rank) or FoundImage(self._searched.index.ids[rank], place, similarity,
                                                 verdict=ONLY_ALIKE if is_final else None)
            hits.append(dataclasses.replace(hit, rank=place))
        words = [hit.verdict for hit in hits if hit.verdict]
        located = located_hits(hits, self._place_of)
        place = self._place or (place_by_hits(located) if is_final else None)
        return Answer(located, verdict.query_word(words) if is_final else None, is_final, place)


def judged_hit(searched: Searched, image_id: str, comparison: Comparison, local_similarity: float,
               box: Sequence[float] | None) -> tuple[FoundImage, Matches]:
    """What a verified pair says of its image, as a hit of rank 1, and what is drawn of it."""
    (probability,), (word,) = searched.verdict.judge(comparison.evidence(local_similarity)[None])
    num_inliers = comparison.pair.num_inliers
    outline = comparison.outline_of(box) if num_inliers >= max(1, searched.config.min_inliers) else None
    matches = Matches(comparison.query.image_size, comparison.index.image_size, comparison.query_yx,
                      comparison.index_yx, outline)
    return FoundImage(image_id, 1, comparison.similarity, num_inliers, float(probability), word,
                      None if outline is None else placing.bounds(outline)), matches
