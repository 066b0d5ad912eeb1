"""Report on a ranking without ground truth: first hits of first queries, with verdict, matches and box."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from data_prep.records.pipeline import Example
from data_prep.stage import progress
from delg.features.folder_features import find_image_files
from delg.features.reader import FeatureReader
from delg.pictures import drawing
from delg.places.known import KnownPlaces, known_places
from delg.places.located import located
from delg.report import found_page, inputs
from delg.report.judging import Judge
from delg.scores.found import Place
from delg.scores.ranking import Ranking, read_ranking
from delg.settings.places import PlacesConfig
from delg.settings.report import ReportConfig


def make_page(config: ReportConfig, places: PlacesConfig) -> str:
    """Writes `<output_dir>/index.html` and returns its path; see `found_page.write_found_page`.

    Args:
        config: the report.
        places: where those of images come from, and what the map is drawn on.

    Raises:
        FileNotFoundError: if an input is missing.
        ValueError: if features are of another model than the ranking's, or shards lack images; or as
            `known_places`.
    """
    ranking = read_ranking(config.ranking)
    known = known_places(places, ranking.index_ids)
    with FeatureReader(config.query_features) as query_features, \
            FeatureReader(config.index_features) as index_features:
        inputs.check_features(config, ranking, query_features, index_features)
        rows = range(min(config.num_queries + config.num_listed, len(ranking.query_ids)))
        columns = [_others(ranking, row)[:config.num_hits] for row in rows]
        queries = inputs.read_images_of(
            config.query_images, {ranking.query_ids[row] for row in rows}, "query_images")
        images = inputs.read_images_of(
            config.index_images, {ranking.index_ids[ranking.ranks[row, column]]
                                  for row in rows for column in columns[row]}, "index_images")
        judge = Judge(ranking, query_features, index_features, config.verdict)
        views = found_page.Views(lambda query: drawing.decode(queries[query.query]),
                                 lambda hit: drawing.decode(images[hit.image]),
                                 lambda query, hit: judge.matches.get((query.query, hit.image)))
        own = _place_finder(known, config.query_images, queries)
        place_of = _place_finder(known, config.index_images, images)
        found = (located(judge.query(row, columns[row], query_id, queries[query_id].query_bbox),
                         own(query_id), place_of) for row, query_id in zip(rows, ranking.query_ids))
        shown = progress.track(found, "Drawing queries", len(rows), "queries")
        return found_page.write_found_page(
            os.path.join(config.output_dir, "index.html"), shown, views,
            num_full=config.num_queries, title=config.title, note=_note(ranking, len(rows)),
            settings=inputs.settings_shown(config, ranking, query_features), tiles=places)


def _place_finder(known: KnownPlaces, images: str,
                  examples: Mapping[str, Example]) -> Callable[[str], Place | None]:
    """A function from the id of an image of a folder, or of shards, to its place."""
    files = find_image_files(images) if os.path.isdir(images) else {}

    def place_of(image_id: str) -> Place | None:
        if image_id in files:  # as it lies there: of a photograph that was turned nothing else is left
            return known.of_image(image_id, os.path.join(images, files[image_id].path))
        return known.of_encoded(image_id, examples[image_id].encoded)

    return place_of


def _others(ranking: Ranking, row: int) -> list[int]:
    """Places of the hits of a query but for itself, where it is one of the images."""
    return [column for column, image in enumerate(ranking.ranks[row])
            if ranking.index_ids[image] != ranking.query_ids[row]]


def _note(ranking: Ranking, num_shown: int) -> str:
    total = len(ranking.query_ids)
    text = f"Sought among {len(ranking.index_ids):,} images."
    return text if num_shown == total else f"{text} The first {num_shown:,} of {total:,} queries are shown."
