"""Google Landmarks v2 solution and prediction tables (CSV) and their scores."""

from __future__ import annotations

import numpy as np
import pandas as pd

from delg import gldv2_metrics

USAGES = ("Public", "Private")
_IGNORED = "Ignored"


def evaluate_tables(solution_path: str, predictions_path: str) -> dict[str, dict[str, float]]:
    """Scores of recognition or retrieval, whichever the solution is of, for the public and private part.

    A solution has the columns `id`, `landmarks` or `images` (space-separated) and `Usage`. The second
    column of the predictions holds "landmark score", or image ids, best first; blank: no prediction.

    Returns:
        Part to score name to value: percent, but for the places of the first correct result.

    Raises:
        ValueError: if a table lacks a column, or a prediction is repeated, malformed or of an unknown image.
    """
    solution = _read(solution_path, ("id", "Usage"))
    kinds = [kind for kind in ("landmarks", "images") if kind in solution]
    if len(kinds) != 1:
        raise ValueError(f"{solution_path} must have a column `landmarks` or `images`. "
                         f"Received: {', '.join(solution)}.")
    usages = set(solution["Usage"]) - {*USAGES, _IGNORED}
    if usages:
        raise ValueError(f"`Usage` in {solution_path} must be {', '.join(USAGES)} or {_IGNORED}. "
                         f"Received: {sorted(usages)[0]!r}.")
    predictions = _predictions(predictions_path, set(solution["id"]))
    parse, score = ((_landmarks, _recognition) if kinds == ["landmarks"] else (str.split, _retrieval))
    result = {}
    for usage in USAGES:
        rows = solution[solution["Usage"] == usage]
        if len(rows):
            truth = {image: set(parse(text)) for image, text in zip(rows["id"], rows[kinds[0]])}
            result[usage] = score({image: text for image, text in predictions.items() if image in truth},
                                  truth, predictions_path)
    return result


def _read(path: str, columns: tuple[str, ...]) -> pd.DataFrame:
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, skip_blank_lines=True)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} must be a CSV table. Received: {error}.") from error
    missing = [column for column in columns if column not in table]
    if missing:
        raise ValueError(f"{path} must have the column `{missing[0]}`. Received: {', '.join(table)}.")
    return table


def _predictions(path: str, known: set[str]) -> dict[str, str]:
    table = _read(path, ("id",))
    if table.shape[1] < 2:
        raise ValueError(f"{path} must have a second column of predictions. Received: {', '.join(table)}.")
    repeated = table["id"][table["id"].duplicated()]
    if len(repeated):
        raise ValueError(f"Every id of {path} must occur once. Received: {repeated.iloc[0]!r} again.")
    unknown = [image for image in table["id"] if image not in known]
    if unknown:
        raise ValueError(f"Every id of {path} must be in the solution. Received: {unknown[0]!r}.")
    texts = table[[column for column in table if column != "id"][0]].str.strip()
    return {image: text for image, text in zip(table["id"], texts) if text}


def _landmarks(text: str) -> list[int]:
    return [int(landmark) for landmark in text.split()]


def _recognition(predictions: dict[str, str], truth: dict[str, set[int]], path: str) -> dict[str, float]:
    parsed = {}
    for image, text in predictions.items():
        try:
            landmark, score = text.split()
            parsed[image] = (int(landmark), float(score))
        except ValueError as error:
            raise ValueError(f"The prediction of {image!r} in {path} must be \"landmark score\". "
                             f"Received: {text!r}.") from error
    return {"µAP": 100 * gldv2_metrics.micro_average_precision(parsed, truth),
            "µAP, images with a landmark only": 100 * gldv2_metrics.micro_average_precision(
                parsed, truth, ignore_without_landmark=True),
            "top-1 accuracy": 100 * gldv2_metrics.top_1_accuracy(parsed, truth)}


def _retrieval(predictions: dict[str, str], truth: dict[str, set[str]], path: str) -> dict[str, float]:
    del path  # any text is a list of ids
    rankings = {image: text.split() for image, text in predictions.items()}
    places = gldv2_metrics.first_correct_places(rankings, truth)
    return {"mAP@100": 100 * gldv2_metrics.mean_average_precision(rankings, truth),
            **{f"mP@{k}": 100 * value for k, value in gldv2_metrics.mean_precisions(rankings, truth).items()},
            "mean place of the first correct": float(np.mean(places)),
            "median place of the first correct": float(np.median(places))}
