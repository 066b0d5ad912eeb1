"""What walls, roofs and the ground are made of: noise, blocks, joints and stains."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np

from data_prep.world.photography.canvas import Canvas


@dataclasses.dataclass(frozen=True)
class Material:
    """Regular blocks with joints.

    Attributes:
        block_width, block_height: metres.
        tone: standard deviation of a block's brightness, as a fraction.
        joint: brightness of the joints relative to the blocks.
        stripe: rows per stripe of the second colour; 0 for none.
        grain: standard deviation of the fine noise, as a fraction.
    """

    block_width: float
    block_height: float
    tone: float
    joint: float
    stripe: int = 0
    grain: float = 0.04


MATERIALS = {"brick": Material(0.8, 0.3, 0.10, 0.82), "ashlar": Material(1.5, 0.7, 0.06, 0.84),
             "rustic": Material(1.9, 0.95, 0.05, 0.62),
             "plaster": Material(40.0, 40.0, 0.01, 0.97, grain=0.03),
             "striped": Material(1.2, 0.6, 0.04, 0.88, stripe=2),
             "banded": Material(1.2, 0.6, 0.04, 0.88, stripe=4),
             "panels": Material(2.4, 1.6, 0.05, 0.72, grain=0.015),
             "rubble": Material(0.7, 0.55, 0.16, 0.75, grain=0.06)}


def fractal_noise(shape, cell: float, rng: np.random.Generator, octaves: int = 3) -> np.ndarray:
    """Smooth noise of unit order, float32 [rows, columns], whose largest blobs are `cell` pixels wide."""
    rows, columns = shape
    total = np.zeros((rows, columns), np.float32)
    for octave in range(octaves):
        step = max(1.0, cell / 2 ** octave)
        small = rng.standard_normal((int(rows / step) + 3, int(columns / step) + 3)).astype(np.float32)
        total += cv2.resize(small, (columns, rows), interpolation=cv2.INTER_CUBIC) / 2 ** octave
    return total


def lay_blocks(canvas: Canvas, outline_xy, material: Material, colour, second_colour,
               rng: np.random.Generator) -> None:
    """Fills a polygon of the canvas with blocks, joints, grain and stains, and makes it opaque."""
    inside = canvas.mask(outline_xy)
    if not inside.any():
        return
    rows, columns = canvas.alpha.shape
    y = (rows - 0.5 - np.arange(rows)) / canvas.resolution
    x = (np.arange(columns) + 0.5) / canvas.resolution
    row = np.floor(y / material.block_height).astype(int)
    shift = np.where(row % 2 == 0, 0.0, 0.5)[:, None]
    along = x[None, :] / material.block_width + shift
    column = np.floor(along).astype(int)
    tones = 1 + material.tone * rng.standard_normal((row.max() + 2, column.max() + 2))
    tone = tones[row[:, None], column].astype(np.float32)
    pixel = 1.0 / canvas.resolution
    joint = np.minimum(0.10, max(0.05, pixel))
    on_joint = (((along - column) * material.block_width < joint)
                | ((y / material.block_height - row) * material.block_height < joint)[:, None])
    tone = np.where(on_joint, tone * material.joint, tone)
    tone += material.grain * rng.standard_normal((rows, columns)).astype(np.float32)
    tone *= 1 + 0.05 * fractal_noise((rows, columns), 4 * canvas.resolution, rng)
    base = np.broadcast_to(np.asarray(colour, np.float32), (rows, columns, 3))
    if material.stripe:
        striped = (row // material.stripe) % 2 == 1
        base = np.where(striped[:, None, None], np.asarray(second_colour, np.float32), base)
    wall = np.clip(base * tone[..., None], 0, 255).astype(np.uint8)
    canvas.albedo[inside] = wall[inside]
    canvas.relief[inside] = np.where(on_joint, -0.15, 0.0)[inside]
    canvas.alpha[inside] = 255


def stain(canvas: Canvas, rng: np.random.Generator, strength: float) -> None:
    """Darkens the drawn surface by soot and rain streaks, in an irregular pattern of its own."""
    rows, columns = canvas.alpha.shape
    streaks = fractal_noise((max(2, rows // 6), columns), 1.2 * canvas.resolution, rng, octaves=2)
    streaks = cv2.resize(streaks, (columns, rows), interpolation=cv2.INTER_LINEAR)
    blotches = fractal_noise((rows, columns), 5 * canvas.resolution, rng, octaves=2)
    factor = 1 - strength * np.clip(0.5 * streaks + 0.7 * blotches, -0.6, 1.4)
    canvas.albedo[:] = np.clip(canvas.albedo * factor[..., None], 0, 255).astype(np.uint8)


def lay_tiles(canvas: Canvas, outline_xy, colour, rng: np.random.Generator) -> None:
    """Fills a polygon with roof tiles."""
    tiles = Material(0.5, 0.6, 0.09, 0.8, grain=0.03)
    lay_blocks(canvas, outline_xy, tiles, colour, colour, rng)
