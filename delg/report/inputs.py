"""What a report is made from: whether it belongs together, metrics.json, settings, a model's attention."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Collection
from typing import Any

import numpy as np

from data_prep.images.intake import read_image
from data_prep.records.pipeline import Example, read_examples_of
from data_prep.stage import files
from delg.exports.export_config import read_export_config
from delg.exports.loading import ExportedModel
from delg.features.folder_features import find_image_files
from delg.features.ranked import refuse_other_images
from delg.features.reader import FeatureReader
from delg.pictures import drawing
from delg.scores import metrics
from delg.scores.ranking import Ranking
from delg.settings.report import ReportConfig

_MAX_CELLS = 1_000_000  # more than any image has


def read_scores(path: str, flag: str) -> dict[str, Any]:
    """The metrics.json of delg.evaluate; the errors name the flag it came by.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not JSON, or lacks the scores of the global search.
    """
    if not os.path.exists(path):
        raise FileNotFoundError(f"`{flag}` must be a file of delg.evaluate. Received: {path!r}.")
    scores = files.read_json(path)
    held = scores.get("global") if isinstance(scores, dict) else None
    if not isinstance(held, dict) or not all(isinstance(held.get(name), dict) for name in metrics.PROTOCOLS):
        raise ValueError(f"`{flag}` must hold easy, medium and hard scores under \"global\". "
                         f"{path} does not.")
    return scores


def finite(value: Any) -> float | None:
    """A score as a number, or None where there is none (null, NaN or missing)."""
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None


def check_features(config: ReportConfig, ranking: Ranking, query: FeatureReader,
                   index: FeatureReader) -> None:
    """Raises ValueError unless the ranking was made from these features, and they hold all its images."""
    searched = ranking.config.get("fingerprint")
    for flag, reader, ids in (("query_features", query, ranking.query_ids),
                              ("index_features", index, ranking.index_ids)):
        own = reader.config.get("fingerprint")
        if searched and own and own != searched:
            raise ValueError(f"`{flag}` must be of the model that was searched with, {searched[:12]}. "
                             f"{getattr(config, flag)}: of {own[:12]}.")
        lacking = set(ids) - set(reader.ids)
        if lacking:
            raise ValueError(f"`{flag}` must hold every image of the ranking. {getattr(config, flag)}: lacks "
                             f"{len(lacking)}, the first is {min(lacking)!r}.")
    refuse_other_images(ranking, query, index)


def read_images_of(images: str, image_ids: Collection[str], flag: str) -> dict[str, Example]:
    """The still encoded images of these ids, upright: from TFRecord shards, or a folder of image files.

    Args:
        images: glob of shards; or folder of image files, whose ids are their paths in it.
        image_ids: of the images.
        flag: that `images` came by, for messages.

    Raises:
        FileNotFoundError: if no shard matches.
        ValueError: if an image is not there, or cannot be used.
    """
    if not os.path.isdir(images):
        return read_examples_of(images, image_ids, flag)
    found = find_image_files(images)
    missing = sorted(set(image_ids) - found.keys())
    if missing:
        raise ValueError(f"Every image shown must be in the folder of `{flag}`. Received: {images!r}, "
                         f"which lacks {len(missing)}, the first is {missing[0]!r}.")
    taken = {image_id: read_image(os.path.join(images, found[image_id].path)) for image_id in image_ids}
    return {image_id: Example(image_id, image.encoded, -1, image.height, image.width, None, "")
            for image_id, image in taken.items()}


def settings_shown(config: ReportConfig, ranking: Ranking, features: FeatureReader) -> list[dict[str, Any]]:
    """Groups {"name", "rows": [(name, value)]} of the settings that a ranking came from, for a page."""
    files = {name: value for name, value in dataclasses.asdict(config).items()
             if isinstance(value, str) and value and name not in ("title", "baseline_name", "output_dir")}
    search = {name: value for name, value in ranking.config.items() if name not in ("requested", "inputs")}
    groups = (("Search and verification", search), ("Feature extraction", features.config),
              ("Files", files))
    return [{"name": name, "rows": [(key, _shown(value)) for key, value in sorted(held.items())]}
            for name, held in groups]


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_shown, value))
    if isinstance(value, dict):
        return "; ".join(f"{key}: {_shown(held)}" for key, held in value.items())
    return "–" if value is None or value == "" else str(value)


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
        own = (read_export_config(saved_model) or {}).get("fingerprint")
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
        seen, _ = drawing.fit(image, limit, limit)
        places = [0] if self._model.has_global else []
        outputs = self._model.extract(seen, [1.0], places, _MAX_CELLS, threshold=0.0)
        boxes = outputs["boxes"]
        centres = np.stack([boxes[:, 0] + boxes[:, 2], boxes[:, 1] + boxes[:, 3]], axis=1) / 2
        return drawing.heat_of_cells(centres, outputs["scores"].reshape(-1), *seen.shape[:2])
