"""From light to a JPEG: exposure, colour balance, blur, noise and compression."""

from __future__ import annotations

import cv2
import numpy as np

from data_prep.world.photography.light import Light


def develop(colour: np.ndarray, light: Light, rng: np.random.Generator) -> np.ndarray:
    """What a camera makes of a rendered picture.

    Args:
        colour: float32 [height, width, 3], RGB in 0..255 and above.
        light: its kind decides how much noise and motion blur there is.
        rng: exposure, balance, blur and noise of this picture.

    Returns:
        uint8 [height, width, 3].
    """
    night = light.kind == "night"
    target = {"day": 122.0, "dusk": 100.0, "night": 74.0}[light.kind] * np.exp(rng.normal(0, 0.18))
    rows, columns = colour.shape[:2]  # the meter looks at the middle, where the subject is
    middle = colour[rows // 4:rows - rows // 5, columns // 5:columns - columns // 5]
    gain = np.clip(target / max(1.0, float(middle.mean())), 0.5, 3.0)
    warmth, tint = rng.normal(0, 0.05), rng.normal(0, 0.015)
    balance = np.exp([warmth, tint, -warmth])
    image = colour * (gain * balance).astype(np.float32)
    image = _blurred(image, rng, 0.22 if night else 0.12)
    contrast, gamma = rng.uniform(0.9, 1.2), np.exp(rng.normal(0, 0.08))
    image = np.clip(image / 255, 0, None)
    image = image / (1 + 0.25 * np.maximum(0, image - 0.6))  # highlights roll off
    image = (np.clip(image, 0, 1) ** np.float32(gamma) - 0.45) * np.float32(contrast) + np.float32(0.45)
    grey = image.mean(-1, keepdims=True)
    image = grey + (image - grey) * np.float32(rng.uniform(0.75, 1.25))
    if rng.random() < 0.01:
        image = np.broadcast_to(image.mean(-1, keepdims=True), image.shape)
    deviation = rng.uniform(0.01, 0.045) if night else rng.uniform(0.0, 0.02)
    noise = rng.standard_normal(image.shape, dtype=np.float32) * np.float32(deviation)
    return np.clip((image + noise) * 255, 0, 255).astype(np.uint8)


def _blurred(image, rng, share) -> np.ndarray:
    longer = max(image.shape[:2])
    if rng.random() > share:
        return image
    if rng.random() < 0.5:
        return cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.1) * longer / 256)
    length = max(2, round(rng.uniform(2, 5) * longer / 256))
    kernel = np.zeros((2 * length + 1, 2 * length + 1), np.float32)
    turn = rng.uniform(0, np.pi)
    step = (np.array([np.cos(turn), np.sin(turn)]) * length / 2 + length).round().astype(int)
    cv2.line(kernel, (int(2 * length - step[0]), int(2 * length - step[1])), (int(step[0]), int(step[1])),
             1.0, 1)
    return cv2.filter2D(image, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE)


def encode_jpeg(image: np.ndarray, rng: np.random.Generator) -> bytes:
    """JPEG bytes, of a random quality, of an RGB image uint8 [height, width, 3]."""
    done, encoded = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR),
                                 [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(45, 96))])
    assert done
    return encoded.tobytes()
