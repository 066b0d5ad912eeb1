"""Evaluation of retrieval across day and night: recall, mAP, triplets and domain probe of each method."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import rich.table
from absl import logging

from delg.scores.metrics import mean_over_queries
from delg.scores.percent import mean_and_interval, percent, text
from vae.data.photographs import Photographs
from vae.scores import metrics
from vae.scores.baselines import clahe

# From images uint8 [N, S, S, 3] and their domain, "day" or "night", to descriptors float32 [N, D], unit norm.
Describer = Callable[[np.ndarray, str], np.ndarray]

DIRECTIONS = {"night_to_day": ("night", "day"), "day_to_night": ("day", "night")}  # queries, index
CLAHE_SUFFIX = "+clahe"
# What each method is to be better than: the same without what was learnt last.
REFERENCES = {"adversarial": "untrained_stem", "adversarial_weighted": "adversarial"}
_DIGITS = 4  # of percent


def describe(describer: Describer, photographs: Photographs) -> np.ndarray:
    """Descriptors of all photographs, float32 [N, D], each domain by its own call."""
    parts = {domain: describer(photographs.images[photographs.rows(domain)], domain)
             for domain in ("day", "night")}
    descriptors = np.empty((len(photographs), parts["day"].shape[1]), np.float32)
    for domain, part in parts.items():
        descriptors[photographs.rows(domain)] = part
    return descriptors


def with_clahe(methods: Mapping[str, Describer]) -> dict[str, Describer]:
    """Each method, and the same on images whose contrast is equalised, named `METHOD+clahe`."""
    def equalised(describer: Describer) -> Describer:
        return lambda images, domain: describer(clahe(images), domain)

    both = ({name: method, name + CLAHE_SUFFIX: equalised(method)} for name, method in methods.items())
    return {name: method for pair in both for name, method in pair.items()}


def evaluate(methods: Mapping[str, Describer], reported: Photographs, training: Photographs,
             absent: Mapping[str, str] | None = None, seed: int = 0) -> dict[str, Any]:
    """The content of metrics.json.

    `{"night_to_day": {METHOD: S}, "day_to_night": {METHOD: S}, "domain_probe": {METHOD: accuracy},
    "distance_ratio": {METHOD: ratio}, "silhouette": {METHOD: value}, "absent": {METHOD: reason},
    "gains": {METHOD: {"over": METHOD, "night_to_day": G, "day_to_night": G}}, "num_places", "num_day",
    "num_night", "chance": of Recall@1}` where G = `{"R@1", "mAP", each with _interval}`, of differences
    paired by query, for the methods of REFERENCES and their forms, and S = `{"R@1", "R@5", "R@10", "mAP",
    each with _interval, "triplet_accuracy", "triplet_loss"}`. Recall, mAP, triplet accuracy, chance and the
    probe, for which 50 is chance, are in percent; None where there is nothing to measure.

    Args:
        methods: by name.
        reported: photographs that are searched.
        training: photographs of other places, on which the domain probe learns.
        absent: methods that are not there, and why.
        seed: of the intervals.

    Raises:
        ValueError: if reported and training places overlap.
    """
    shared = set(reported.places) & set(training.places)
    if shared:
        raise ValueError("Reported and training places must be apart. "
                         f"Received: {len(shared)} in both, such as {min(shared)}.")
    result: dict[str, Any] = {name: {} for name in (*DIRECTIONS, "domain_probe", "distance_ratio",
                                                    "silhouette")}
    values: dict[tuple[str, str], metrics.QueryScores] = {}
    for name, describer in methods.items():
        logging.info("Evaluating %s.", name)
        descriptors = describe(describer, reported)
        for direction, (query, index) in DIRECTIONS.items():
            scores = metrics.search(*_part(descriptors, reported, query),
                                    *_part(descriptors, reported, index))
            values[name, direction] = scores
            result[direction][name] = _summary(scores, seed)
        result["domain_probe"][name] = percent(metrics.domain_probe(
            describe(describer, training), training.is_night, descriptors, reported.is_night), _DIGITS)
        result["distance_ratio"][name] = _rounded(metrics.distance_ratio(
            *_part(descriptors, reported, "night"), *_part(descriptors, reported, "day")))
        result["silhouette"][name] = _rounded(metrics.silhouette(descriptors, reported.places))
    result["gains"] = _gains(methods, values, seed)
    day = reported.places[reported.rows("day")]
    night = reported.places[reported.rows("night")]
    return {**result, "absent": dict(absent or {}), "num_places": len(set(reported.places)),
            "num_day": len(day), "num_night": len(night),
            "chance": percent(mean_over_queries([(day == place).mean() or np.nan for place in night]),
                              _DIGITS)}


def _part(descriptors: np.ndarray, photographs: Photographs, domain: str) -> tuple[np.ndarray, np.ndarray]:
    rows = photographs.rows(domain)
    return descriptors[rows], photographs.places[rows]


def _summary(scores: metrics.QueryScores, seed: int) -> dict[str, Any]:
    summary = {}
    for name, values in (*((f"R@{k}", values) for k, values in scores.recall.items()),
                         ("mAP", scores.average_precision)):
        summary.update(mean_and_interval(name, values, _DIGITS, seed))
    summary["triplet_accuracy"] = percent(mean_over_queries(scores.triplet_accuracy), _DIGITS)
    summary["triplet_loss"] = _rounded(mean_over_queries(scores.triplet_loss))
    return summary


def _gains(names: Iterable[str], values: Mapping[tuple[str, str], metrics.QueryScores],
           seed: int) -> dict[str, Any]:
    gains = {}
    for name in names:
        plain, form = name.partition(CLAHE_SUFFIX)[:2]
        other = REFERENCES.get(plain, "") + form
        if (other, "night_to_day") not in values:
            continue
        gains[name] = {"over": other}
        for direction in DIRECTIONS:
            ours, theirs = values[name, direction], values[other, direction]
            gains[name][direction] = {
                **mean_and_interval("R@1", ours.recall[1] - theirs.recall[1], _DIGITS, seed),
                **mean_and_interval("mAP", ours.average_precision - theirs.average_precision, _DIGITS, seed)}
    return gains


def _rounded(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 6)


def table(result: Mapping[str, Any]) -> rich.table.Table:
    """Some scores of `evaluate` as a table of 80 columns for the terminal; the page has all."""
    absent = "; ".join(f"{name} is absent: {reason}" for name, reason in result["absent"].items())
    columns = rich.table.Table(
        title=f"{result['num_places']} places, {result['num_day']} images by day, {result['num_night']} by "
              "night; percent, R@1 by night with its 95 % bootstrap interval", caption=absent or None)
    columns.add_column("", no_wrap=True)
    for name in ("night\nR@1", "\n95 %", "\nmAP", "day\nR@1", "\nmAP", "domain\nprobe"):
        columns.add_column(name, justify="right", no_wrap=True)
    for name, found in result["night_to_day"].items():
        back = result["day_to_night"][name]
        columns.add_row(
            name, text(found["R@1"]), "–".join(text(end, 0) for end in found["R@1_interval"]),
            text(found["mAP"]), text(back["R@1"]), text(back["mAP"]), text(result["domain_probe"][name]),
            end_section=name.endswith(CLAHE_SUFFIX))
    return columns
