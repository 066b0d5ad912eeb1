"""Report on a ranking without ground truth: first hits of first queries, with verdict, matches and box."""

from __future__ import annotations

import os

from data_prep.records.pipeline import Example, read_examples_of
from data_prep.stage import progress
from delg.features.reader import FeatureReader
from delg.geometry import verdict
from delg.pictures import drawing
from delg.report import found_page, inputs
from delg.report.judging import judge_hit
from delg.scores.found import FoundForQuery, FoundImage
from delg.scores.ranking import Ranking, read_ranking
from delg.settings.report import ReportConfig


def make_page(config: ReportConfig) -> str:
    """Writes `<output_dir>/index.html` and returns its path; see `found_page.write_found_page`.

    Raises:
        FileNotFoundError: if an input is missing.
        ValueError: if features are of another model than the ranking's, or shards lack images.
    """
    ranking = read_ranking(config.ranking)
    with FeatureReader(config.query_features) as query_features, \
            FeatureReader(config.index_features) as index_features:
        inputs.check_features(config, ranking, query_features, index_features)
        rows = range(min(config.num_queries, len(ranking.query_ids)))
        columns = range(min(config.num_hits, ranking.ranks.shape[1]))
        queries = read_examples_of(
            config.query_images, {ranking.query_ids[row] for row in rows}, "query_images")
        images = read_examples_of(
            config.index_images, {ranking.index_ids[ranking.ranks[row, column]]
                                  for row in rows for column in columns}, "index_images")
        found = _Findings(ranking, query_features, index_features, queries, images)
        views = found_page.Views(lambda query: drawing.decode(queries[query.query]),
                                 lambda hit: drawing.decode(images[hit.image]), found.match)
        shown = progress.track((found.of_query(row, columns) for row in rows), "Drawing queries", len(rows),
                               "queries")
        return found_page.write_found_page(
            os.path.join(config.output_dir, "index.html"), shown, views, title=config.title,
            note=_note(ranking, len(rows)),
            settings=inputs.settings_shown(config, ranking, query_features))


class _Findings:
    """What a ranking holds for its queries; matches of hits as the search saw them."""

    def __init__(self, ranking: Ranking, query_features: FeatureReader, index_features: FeatureReader,
                 queries: dict[str, Example], images: dict[str, Example]):
        self._ranking, self._queries, self._images = ranking, queries, images
        self._features = query_features, index_features
        self._rows = [{image_id: row for row, image_id in enumerate(reader.ids)} for reader in self._features]
        self._matches: dict[tuple[str, str], found_page.DrawnMatch] = {}

    def of_query(self, row: int, columns: range) -> FoundForQuery:
        query = self._queries[self._ranking.query_ids[row]]
        box = None if query.query_bbox is None else tuple(map(float, query.query_bbox))
        hits = tuple(self._hit(row, column, query) for column in columns)
        words = [hit.verdict for hit in hits if hit.verdict]
        return FoundForQuery(query.id, hits, verdict.query_word(words) if words else None, box)

    def match(self, query: FoundForQuery, hit: FoundImage) -> found_page.DrawnMatch | None:
        return self._matches.get((query.query, hit.image))

    def _hit(self, row: int, column: int, query: Example) -> FoundImage:
        image = self._images[self._ranking.index_ids[self._ranking.ranks[row, column]]]
        num_inliers = int(self._ranking.num_inliers[row, column])
        known = image.id, column + 1, float(self._ranking.similarities[row, column]), num_inliers
        hit, match = judge_hit(FoundImage(*known), self._ranking, self._features[0],
                               self._rows[0][query.id], self._features[1], self._rows[1][image.id],
                               query.query_bbox)
        if match is not None:
            self._matches[query.id, image.id] = match
        return hit


def _note(ranking: Ranking, num_shown: int) -> str:
    total = len(ranking.query_ids)
    text = f"Sought among {len(ranking.index_ids):,} images."
    return text if num_shown == total else f"{text} The first {num_shown:,} of {total:,} queries are shown."
