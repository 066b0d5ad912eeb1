"""What metrics.json and the page of an experiment on hashing say, from the scores of all its codes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from delg.scores.percent import text
from hashing.codes import baselines
from hashing.scores import evaluation
from hashing.scores.report import Results

ADAPTED = "_adapted"  # ends the names of codes that are fitted to the images of the index
_SCORES = ("mAP", "mAP_interval", "mAP_in_all", "mAP_in_all_interval",
           *(f"mAP@{k}" for k in evaluation.CUTOFFS), "precision_within_2", "codes", "real_valued",
           "num_queries", "num_index")


def metrics_of(results: Results, shown_size: int) -> dict[str, Any]:
    """The contents of metrics.json but settings and warnings, see `chain.run`.

    Args:
        results: of all methods.
        shown_size: bits of the codes of best whose cosine retrieval "real_valued" tells.
    """
    unseen = _of_part(results, shown_size, "unseen")
    return {**_of_part(results, shown_size, "seen"), **({"unseen": unseen} if unseen else {})}


def _of_part(results: Results, shown_size: int, part: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for method, by_size in results.items():
        for code_size, whole in by_size.items():
            scores = whole if part == "seen" else whole.get("unseen")
            if scores is None:
                continue
            found.setdefault(method, {})[str(code_size)] = {
                **{name: scores[name] for name in _SCORES if name in scores}, "seconds": whole["seconds"]}
            if "features" in scores:
                found["features"] = scores["features"]
            if method == "best" and code_size == shown_size:
                found["real_valued"] = {**scores["real_valued"], "code_size": shown_size}
    return found


def summarize(metrics: Mapping[str, Any]) -> str:
    """The sentences at the head of the page."""
    size = str(metrics["real_valued"]["code_size"])
    parts = [f"At {size} bits the mAP is {metrics['best'][size]['mAP']:.1f} for best"]
    parts += [f"{metrics[method][size]['mAP']:.1f} for {method}"
              for method in ("paper2019", *baselines.METHODS) if size in metrics.get(method, {})]
    summary = (f"{', '.join(parts)}; cosine retrieval by the real values of best reaches "
               f"{metrics['real_valued']['mAP']:.1f}.")
    unseen, adapted = metrics.get("unseen", {}), f"best{ADAPTED}"
    if adapted not in unseen:
        return summary
    best, fitted = (text(unseen[name][size]["mAP_in_all"]) for name in ("best", adapted))
    return (f"{summary} Of classes never trained on, among all images: {best} for best, {fitted} for "
            f"{adapted}, whose codes are fitted to the images of the index, without their labels.")
