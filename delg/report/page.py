"""HTML report on a ranking: scores, precision-recall curves, failures and successes."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from data_prep.stage import progress
from delg.features.reader import FeatureReader
from delg.pictures import charts, maps
from delg.pictures import page as pictures_page
from delg.pictures.downloads import csv_file, json_file
from delg.pictures.page_pictures import PagePictures
from delg.places.known import known_places
from delg.report import inputs, queries, unjudged
from delg.report.cards import CardMaker, shown_hits
from delg.report.found_page import page_map
from delg.report.located_queries import spots_of_queries
from delg.report.queries import QueryOutcome
from delg.report.short_cards import make_short_cards
from delg.scores import evaluation, metrics
from delg.scores.ground_truth import GroundTruth, load_ground_truth
from delg.scores.percent import percent
from delg.scores.ranking import Ranking, read_ranking
from delg.settings.kinds import FINAL_ORDERS
from delg.settings.places import GPS_ALONE, PlacesConfig
from delg.settings.report import ReportConfig

_STAGES = {"global": "global search", "verified": "after verification"}  # of metrics.json
_MAX_PICTURE_BYTES = 13_000_000  # of the page, which stays below 15 MB
_MAX_CARD_BYTES = 900_000
_MAX_ROWS = 1000  # of the table of all queries; queries.csv has all
_CSV_COLUMNS = ("query_id", "num_easy", "num_hard", "before", "after", "change", "first_positive",
                "first_wrong")
_TOLERANCE = 0.01  # percent; scores of one ranking agree far better


def make_report(config: ReportConfig, places: PlacesConfig = GPS_ALONE) -> str:
    """Writes `<output_dir>/index.html` and returns its path.

    The page needs no other file but, where its pictures would pass 15 MB, the folder
    `index_pictures` beside it.

    Without ground truth it shows what was found, of which nobody knows whether it is right, and where.

    Args:
        config: the report.
        places: where those of images come from, beside scores a table alone, and what a map is drawn on.

    Raises:
        FileNotFoundError: if an input is missing.
        ValueError: if inputs contradict each other: features of another model than the ranking's, scores
            of another ranking, images that the shards lack.
    """
    if not config.ground_truth:
        return unjudged.make_page(config, places)
    scores = (inputs.read_scores(config.metrics, "metrics") if config.metrics
              else evaluation.evaluate(config.ranking, config.ground_truth))
    baseline = (inputs.read_scores(config.baseline_metrics, "baseline_metrics")
                if config.baseline_metrics else None)
    ranking = read_ranking(config.ranking)
    truth = evaluation.align(load_ground_truth(config.ground_truth), ranking, config.ranking,
                             config.ground_truth)
    known = known_places(places, ranking.index_ids)
    outcomes = queries.judge_queries(ranking, truth)
    _check_scores(config, scores, outcomes)
    failures, successes = queries.choose_queries(outcomes, config.num_queries, config.num_successes)
    full = {outcome.row for outcome in failures + successes}
    others = [outcome for outcome in queries.worst_first(outcomes)
              if outcome.row not in full][:config.num_listed]
    anchors = {outcome.row: f"query-{outcome.row}" for outcome in failures + successes + others}
    with FeatureReader(config.query_features) as query_features, \
            FeatureReader(config.index_features) as index_features:
        inputs.check_features(config, ranking, query_features, index_features)
        cards = _cards(config, ranking, query_features, index_features, failures + successes, anchors)
        settings = inputs.settings_shown(config, ranking, query_features)
        drawn_map = page_map(spots_of_queries(known, ranking, query_features, index_features, anchors,
                                              config.num_hits), places)
    pictures = PagePictures(os.path.join(config.output_dir, "index.html"),
                            _MAX_PICTURE_BYTES - _num_characters(cards))
    rows = [_query_row(outcome, anchors) for outcome in queries.worst_first(outcomes)]
    page = pictures_page.render(
        "delg.report", "report.html.j2", title=config.title,
        summary=_summary(config, scores, baseline, ranking, outcomes),
        verified=outcomes[0].was_verified if outcomes else False, tiles=_tiles(scores),
        score_groups=_score_groups(config, scores, baseline), curves=_curves(ranking, truth, outcomes),
        query_rows=rows[:_MAX_ROWS], num_rows_left_out=max(0, len(rows) - _MAX_ROWS),
        failures=cards[:len(failures)], successes=cards[len(failures):],
        others=make_short_cards(config, others, anchors, pictures), source=pictures.source,
        num_not_shown=len(outcomes) - len(anchors), settings=settings, drawn_map=drawn_map,
        map_section=maps.section(drawn_map), tile_origin=places.tile_origin,
        downloads=[json_file("metrics.json", scores),
                   csv_file("queries.csv", [{name: row[name] for name in _CSV_COLUMNS} for row in rows])],
        verified_order=_verified_order(ranking),
        attention_source=("scores of the model at scale 1" if config.saved_model
                          else "scores of the stored keypoints, blurred"))
    path = pictures_page.write_page(config.output_dir, page)
    pictures.remove_others()
    return path


def _num_characters(cards: list[dict[str, Any]]) -> int:
    """That the pictures of cards take on the page."""
    return sum(len(entry["picture"]) for card in cards
               for entry in (card, *(entry for held in card.values() if isinstance(held, list)
                                     for entry in held if isinstance(entry, dict))))


def _verified_order(ranking: Ranking) -> str:
    order = FINAL_ORDERS[ranking.config.get("final_order", "inliers")]  # the only one that old files know
    return order.describe(ranking.config.get("min_inliers", 0))


def _check_scores(config: ReportConfig, scores: dict[str, Any], outcomes: list[QueryOutcome]) -> None:
    before = scores.get("before", "global")
    for stage in {before, "verified"} & set(scores):
        own = 100 * metrics.mean_over_queries([outcome.before if stage == before else outcome.after
                                               for outcome in outcomes])
        given = inputs.finite(scores[stage]["medium"].get("mAP"))
        if (given is None) != np.isnan(own) or (given is not None and abs(given - own) > _TOLERANCE):
            raise ValueError(f"`metrics` must be of this ranking. {config.metrics}: Medium mAP {given} "
                             f"({stage}), where {config.ranking} gives {own:.2f}.")


def _cards(config: ReportConfig, ranking: Ranking, query_features: FeatureReader,
           index_features: FeatureReader, outcomes: list[QueryOutcome],
           anchors: dict[int, str]) -> list[dict[str, Any]]:
    if not outcomes:
        return []
    extraction = query_features.config
    attention = None
    if config.saved_model:
        attention = inputs.AttentionModel(config.saved_model, extraction.get("fingerprint"),
                                                 int(extraction.get("max_image_size", 1024))).heat
    query_examples = inputs.read_images_of(
        config.query_images, {outcome.query_id for outcome in outcomes}, "query_images")
    index_examples = inputs.read_images_of(
        config.index_images, {hit.image_id for outcome in outcomes
                              for hit in shown_hits(outcome, config.num_hits)}, "index_images")
    maker = CardMaker(ranking, query_features, index_features, query_examples, index_examples, attention)
    max_bytes = min(_MAX_CARD_BYTES, _MAX_PICTURE_BYTES // len(outcomes))
    return [maker.make(outcome, anchors[outcome.row], config.num_hits, max_bytes)
            for outcome in progress.track(outcomes, "Drawing queries", unit="queries")]


def _curves(ranking: Ranking, truth: GroundTruth, outcomes: list[QueryOutcome]) -> str | None:
    before = queries.mean_curves(ranking.global_ranks(), truth)
    if not before:
        return None
    after = queries.mean_curves(ranking.ranks, truth) if outcomes[0].was_verified else None
    return charts.precision_recall_svg(queries.recall_grid(), before, after)


def _query_row(outcome: QueryOutcome, anchors: dict[int, str]) -> dict[str, Any]:
    positive, wrong = outcome.first_positive(), outcome.first_wrong()
    return {"query_id": outcome.query_id, "anchor": anchors.get(outcome.row), "num_easy": outcome.num_easy,
            "num_hard": outcome.num_hard, "before": percent(outcome.before), "after": percent(outcome.after),
            "change": percent(outcome.change), "first_positive": positive.rank if positive else None,
            "first_wrong": wrong.rank if wrong else None}


def _tiles(scores: dict[str, Any]) -> list[dict[str, Any]]:
    final = scores.get("verified", scores["global"])
    return [{"name": protocol.capitalize(), "value": inputs.finite(final[protocol].get("mAP")),
             "before": (inputs.finite(scores[scores.get("before", "global")][protocol].get("mAP"))
                        if "verified" in scores else None)} for protocol in metrics.PROTOCOLS]


def _score_groups(config: ReportConfig, scores: dict[str, Any],
                  baseline: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Rows of the score table, a group per protocol: the baseline's stages, then our own."""
    groups = []
    for protocol in metrics.PROTOCOLS:
        rows = []
        for held, prefix in ((baseline, f"{config.baseline_name}, "), (scores, "")):
            stages = evaluation.stages(held) if held else []
            for stage in stages:
                values = held[stage][protocol]
                low, high = (values.get("mAP_interval") or (None, None))
                name = prefix + _STAGES.get(stage, f"by {stage.replace('+', ' and ')}")
                rows.append({"name": name[:1].upper() + name[1:],
                             "mean": inputs.finite(values.get("mAP")),
                             "low": inputs.finite(low), "high": inputs.finite(high),
                             "precisions": [inputs.finite(values.get(f"mP@{k}"))
                                            for k in metrics.CUTOFFS],
                             "is_final": held is scores and stage == stages[-1]})
        gain = scores.get("gain", {}).get(protocol, {})
        gains = [inputs.finite(value) for value in (gain.get("mAP"), *gain.get("mAP_interval", ()))]
        groups.append({"name": protocol.capitalize(), "rows": rows,
                       "gains": gains if len(gains) == 3 and None not in gains else None})
    return groups


def _summary(config: ReportConfig, scores: dict[str, Any], baseline: dict[str, Any] | None, ranking: Ranking,
             outcomes: list[QueryOutcome]) -> str:
    """One sentence: what was searched, how well, and what verification did."""
    final = inputs.finite(scores.get("verified", scores["global"])["medium"].get("mAP"))
    scored = [outcome for outcome in outcomes if outcome.has_positives]
    size = f"{_count(len(outcomes), 'query', 'queries')} in an index of {len(ranking.index_ids):,} images"
    if final is None or not scored:
        return f"Searched for {size}; no query has a positive to be scored by."
    text = f"Medium mAP is {final:.1f} on {size}"
    if baseline is not None:
        held = inputs.finite(baseline.get("verified", baseline["global"])["medium"].get("mAP"))
        text += f", against {held:.1f} for the {config.baseline_name} model" if held is not None else ""
    if "verified" not in scores:
        return f"{text}; nothing was verified geometrically."
    before = inputs.finite(scores[scores.get("before", "global")]["medium"]["mAP"])
    gained, lost = (sum(sign * outcome.change > 5e-4 for outcome in scored) for sign in (1, -1))
    return (f"{text}; geometric verification moved it from {before:.1f}, with {gained} of "
            f"{_count(len(scored), 'query', 'queries')} better and {lost} worse.")


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"
