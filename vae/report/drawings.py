"""Pictures of the report: grids of images, the map of channel weights, neighbours across the domains.

Images are uint8, [N, S, S, 3], RGB.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from delg.pictures.drawing import jpeg_data_uri, overlay_heat
from vae.data.photographs import Photographs, resized
from vae.latents.latents import LatentEncoder
from vae.scores.evaluation import Describer, describe

_GAP = 4  # pixels
_TILE = 128  # pixels, side of an image in a grid
_CELL = 24  # pixels, side of a channel in the map
_COLUMNS = 32  # of the map of channels, as in the original's figure


def grid(rows: Sequence[Sequence[np.ndarray]]) -> np.ndarray:
    """Images of any square size in rows of equal length, uint8 [h, w, 3]."""
    columns = len(rows[0])
    side = _TILE + _GAP
    canvas = np.full((len(rows) * side - _GAP, columns * side - _GAP, 3), 128, np.uint8)
    for y, row in enumerate(rows):
        for x, image in enumerate(row):
            enlarged = cv2.resize(image, (_TILE, _TILE), interpolation=cv2.INTER_CUBIC)
            canvas[y * side:y * side + _TILE, x * side:x * side + _TILE] = enlarged
    return canvas


def choose_rows(photographs: Photographs, domain: str, count: int) -> np.ndarray:
    """Rows of a domain, evenly spaced over its places; of pairs where any are known."""
    pairs = photographs.paired_rows()
    rows = pairs[:, int(domain == "night")] if len(pairs) else photographs.rows(domain)
    rows = rows[np.argsort(photographs.places[rows], kind="stable")]
    return rows[np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(int)]


def translation_grid(encoder: LatentEncoder, photographs: Photographs, domain: str,
                     rows: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Original, reconstruction, cycle and translation of some images, and the true view where it is known.

    Returns:
        The picture and the names of its columns.
    """
    images = resized(photographs.images[rows], encoder.image_size)
    columns = {"original": images, "reconstruction": encoder.reconstruct(images, domain),
               "cycle": encoder.cycle(images, domain), "translation": encoder.translate(images, domain)}
    partner = {int(pair[int(domain == "night")]): int(pair[int(domain == "day")])
               for pair in photographs.paired_rows()}
    if all(int(row) in partner for row in rows):
        true_rows = np.array([partner[int(row)] for row in rows])
        columns["true view"] = resized(photographs.images[true_rows], encoder.image_size)
    return grid(list(zip(*columns.values()))), list(columns)


def channel_map(weights: np.ndarray) -> np.ndarray:
    """The weight of each channel, row by row, dark for 0 to yellow for the largest: uint8 [h, w, 3]."""
    columns = min(_COLUMNS, len(weights))
    rows = math.ceil(len(weights) / columns)
    cells = np.zeros(rows * columns, np.float32)
    cells[:len(weights)] = weights / max(float(weights.max()), 1e-12)
    colours = cv2.applyColorMap(np.round(255 * cells).astype(np.uint8)[:, None], cv2.COLORMAP_INFERNO)
    colours = colours[:, 0, ::-1].reshape(rows, columns, 3)
    colours.reshape(-1, 3)[len(weights):] = 128  # no channel there
    return np.kron(colours, np.ones((_CELL, _CELL, 1), np.uint8))


def heat_grid(images: np.ndarray, heats: Sequence[np.ndarray]) -> np.ndarray:
    """A row of images above a row of each channel's heat, float [N, S, S], laid over them."""
    enlarged = resized(images, _TILE)
    rows = [list(enlarged)]
    for heat in heats:
        rows.append([overlay_heat(image, cv2.GaussianBlur(each, (0, 0), 1.0), _TILE, _TILE)
                     for image, each in zip(enlarged, heat)])
    return grid(rows)


def neighbours(describer: Describer, photographs: Photographs, rows: np.ndarray, query_domain: str,
               num_hits: int) -> list[dict[str, Any]]:
    """For each query the nearest images of the other domain.

    Returns:
        Per query `id`, `picture` (data URI), `hits`: `id`, `picture`, `similarity`, `right`, `rank` from 1.
    """
    descriptors = describe(describer, photographs)
    index = photographs.rows("night" if query_domain == "day" else "day")
    found = []
    for row in rows:
        similarities = descriptors[index] @ descriptors[row]
        best = np.argsort(-similarities, kind="stable")[:num_hits]
        found.append({"id": photographs.ids[row], "picture": _tile(photographs.images[row]), "hits": [
            {"id": photographs.ids[index[place]], "picture": _tile(photographs.images[index[place]]),
             "similarity": float(similarities[place]), "rank": rank,
             "right": bool(photographs.places[index[place]] == photographs.places[row])}
            for rank, place in enumerate(best, start=1)]})
    return found


def _tile(image: np.ndarray) -> str:
    return jpeg_data_uri(resized(image[None], _TILE)[0])
