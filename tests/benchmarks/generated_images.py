"""Photographs by formula, for the benchmarks of data preparation."""

from __future__ import annotations

import os
import pathlib

import cv2
import numpy as np


def write_images(directory: str, count: int) -> None:
    """Pictures with edges, texture and noise, so that they weigh about what photographs do (60 KB)."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[0:384, 0:512]
    for number in range(count):
        frequency, angle = rng.uniform(0.02, 0.3), rng.uniform(0, np.pi)
        waves = 60 * np.sin(frequency * (columns * np.cos(angle) + rows * np.sin(angle)))
        coarse = cv2.resize(rng.integers(0, 256, (12, 16, 3)).astype(np.float32), (512, 384))
        noise = cv2.resize(rng.normal(0, 25, (192, 256)), (512, 384))
        image = coarse + (waves + noise)[..., None]
        for _ in range(20):
            x, y = rng.integers(0, (512, 384))
            corner = (int(x + rng.integers(9, 90)), int(y + rng.integers(9, 90)))
            cv2.rectangle(image, (int(x), int(y)), corner, rng.uniform(0, 255, 3).tolist(), -1)
        folder = os.path.join(directory, f"class{number % 50:02d}")
        os.makedirs(folder, exist_ok=True)
        cv2.imwrite(os.path.join(folder, f"{number}.jpg"), np.clip(image, 0, 255).astype(np.uint8),
                    [cv2.IMWRITE_JPEG_QUALITY, 90])


def read_images(directory: str) -> list[bytes]:
    """The files that `write_images` wrote there, by name."""
    return [path.read_bytes() for path in sorted(pathlib.Path(directory).glob("*/*"))]
