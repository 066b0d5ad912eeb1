"""What the report reads besides features and ranking: scores, pictures, and the attention of a SavedModel."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Collection
from typing import Any

import numpy as np
import tensorflow as tf

from data_prep import augment
from data_prep.pipeline import Example, iterate_examples
from delg import export, metrics, report_pictures
from delg.exported_models import ExportedModel

_MAX_CELLS = 1_000_000  # more than any image has


def read_scores(path: str, flag: str) -> dict[str, Any]:
    """The metrics.json of delg.evaluate; the errors name the flag it came by.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not JSON, or lacks the scores of the global search.
    """
    if not os.path.exists(path):
        raise FileNotFoundError(f"`{flag}` must be a file of delg.evaluate. Received: {path!r}.")
    with open(path, encoding="utf-8") as file:
        try:
            scores = json.load(file)
        except ValueError as error:
            raise ValueError(f"`{flag}` must be JSON. {path}: {error}.") from error
    held = scores.get("global") if isinstance(scores, dict) else None
    if not isinstance(held, dict) or not all(isinstance(held.get(name), dict) for name in metrics.PROTOCOLS):
        raise ValueError(f"`{flag}` must hold easy, medium and hard scores under \"global\". "
                         f"{path} does not.")
    return scores


def finite(value: Any) -> float | None:
    """A score as a number, or None where there is none (null, NaN or missing)."""
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None


def read_examples_of(pattern: str, image_ids: Collection[str], flag: str) -> dict[str, Example]:
    """The still encoded images of these ids, read in one pass that ends when all are found.

    Raises:
        FileNotFoundError: if no shard matches.
        ValueError: if an image is in none of the shards; names the flag they came by.
    """
    wanted = set(image_ids)
    found: dict[str, Example] = {}
    for example in iterate_examples(pattern) if wanted else ():
        if example.id in wanted:
            found[example.id] = example
            if len(found) == len(wanted):
                break
    missing = sorted(wanted - found.keys())
    if missing:
        raise ValueError(f"Every image shown must be in the shards of `{flag}`. Received: {pattern!r}, "
                         f"which lacks {len(missing)}, the first is {missing[0]!r}.")
    return found


def decode(example: Example) -> np.ndarray:
    """The pixels, uint8, [height, width, 3]; a crossed-out field where the image cannot be decoded."""
    try:
        return augment.decode_image(example.encoded).numpy()
    except tf.errors.InvalidArgumentError:
        return report_pictures.blank(max(example.height, 32), max(example.width, 32))


class AttentionModel:
    """The attention scores of a SavedModel at scale 1.

    Args:
        saved_model: folder of a SavedModel with local features that `exported_models` opens.
        fingerprint: of the model the features came from; None: not known.
        max_image_size: pixels; images whose longer side is larger are shrunk first; 0: never.

    Raises:
        FileNotFoundError: if there is no SavedModel.
        ValueError: if it is of another model than the features, or gives no local features.
    """

    def __init__(self, saved_model: str, fingerprint: str | None, max_image_size: int):
        own = (export.read_export_config(saved_model) or {}).get("fingerprint")
        if own and fingerprint and own != fingerprint:
            raise ValueError(f"`saved_model` must be the model the features came from, {fingerprint[:12]}. "
                             f"Received: {saved_model!r}, which is {own[:12]}.")
        self._model = ExportedModel(saved_model)
        if not self._model.has_local:
            raise ValueError("`saved_model` must give local features. "
                             f"Received: {saved_model!r}, which gives global descriptors alone.")
        self._max_image_size = max_image_size

    def heat(self, image: np.ndarray) -> np.ndarray:
        """Attention over a uint8 image [height, width, 3]: float32, [h, w], of the size the model saw."""
        limit = self._max_image_size or max(image.shape[:2])
        seen, _ = report_pictures.fit(image, limit, limit)
        places = [0] if self._model.has_global else []
        outputs = self._model.extract(seen, [1.0], places, _MAX_CELLS, threshold=0.0)
        boxes = outputs["boxes"]
        centres = np.stack([boxes[:, 0] + boxes[:, 2], boxes[:, 1] + boxes[:, 3]], axis=1) / 2
        return report_pictures.heat_of_cells(centres, outputs["scores"].reshape(-1), *seen.shape[:2])
