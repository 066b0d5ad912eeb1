"""Quality of translated images: how far they are from the true view, on known pairs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from skimage import metrics as image_metrics

from delg.scores.metrics import bootstrap_interval
from vae.data.photographs import Photographs, in_batches, resized
from vae.latents.latents import LatentEncoder

MEASURES = ("L1", "SSIM", "colour")  # of pixels
FEATURES = "features"  # the distance of descriptors, where images are described


def translate_all(encoder: LatentEncoder, images: np.ndarray, domain: str) -> np.ndarray:
    """Images uint8 [N, S, S, 3] of a domain in the other one, at the size of the model: uint8."""
    images = resized(images, encoder.image_size)
    return in_batches(lambda batch: encoder.translate(batch, domain), images)


def compare(image: np.ndarray, truth: np.ndarray) -> list[float]:
    """MEASURES of two images uint8 [S, S, 3].

    L1: mean absolute difference, 0..255. SSIM: structural similarity over the channels, at most 1
    (scikit-image). Colour: mean distance in the a, b plane of Lab; chosen.
    Source: SSIM, Wang et al., "Image quality assessment", IEEE Transactions on Image Processing, 2004.
    """
    lab, true_lab = (cv2.cvtColor(each.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
                     for each in (image, truth))
    similarity = image_metrics.structural_similarity(image, truth, channel_axis=2, data_range=255)
    return [float(np.abs(image.astype(np.float32) - truth).mean()), float(similarity),
            float(np.linalg.norm(lab[..., 1:] - true_lab[..., 1:], axis=-1).mean())]


def judge_translation(encoder: LatentEncoder, photographs: Photographs, seed: int = 0,
                      describe: Callable[[np.ndarray], np.ndarray] | None = None) -> dict[str, Any]:
    """How much nearer to the true view of the other domain translation brings an image.

    `{"day_to_night": {"L1": ..., "L1_untranslated": ..., "L1_gain_interval": [low, high], the same of SSIM,
    colour and features, "num_pairs"}, "night_to_day": ...}`; gains are positive where translation helps,
    intervals are 95 % bootstrap intervals. Empty without known pairs.

    Args:
        encoder: the VAE.
        photographs: with known pairs.
        seed: of the intervals.
        describe: from images uint8 [N, S, S, 3] to descriptors float32 [N, D] of unit norm, as of a backbone,
            whose Euclidean distance is the measure `features`; None: without.
    """
    pairs = photographs.paired_rows()
    result: dict[str, Any] = {}
    if not len(pairs):
        return result
    small = resized(photographs.images, encoder.image_size)
    for direction, (source, target, domain) in {"day_to_night": (0, 1, "day"),
                                                "night_to_day": (1, 0, "night")}.items():
        sources, truths = small[pairs[:, source]], small[pairs[:, target]]
        translated = translate_all(encoder, sources, domain)
        after = np.array([compare(*both) for both in zip(translated, truths)])
        before = np.array([compare(*both) for both in zip(sources, truths)])
        if describe is not None:
            aim = describe(truths)
            after, before = (np.column_stack([values, np.linalg.norm(describe(images) - aim, axis=1)])
                             for values, images in ((after, translated), (before, sources)))
        scores: dict[str, Any] = {"num_pairs": len(pairs)}
        for name, ours, theirs in zip((*MEASURES, FEATURES), after.T, before.T):
            gains = (ours - theirs) * (1 if name == "SSIM" else -1)
            scores[name] = round(float(ours.mean()), 4)
            scores[f"{name}_untranslated"] = round(float(theirs.mean()), 4)
            scores[f"{name}_gain_interval"] = [round(bound, 4)
                                               for bound in bootstrap_interval(gains, seed=seed)]
        result[direction] = scores
    return result
