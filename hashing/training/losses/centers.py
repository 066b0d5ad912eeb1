"""Binary centres of classes: codes as far apart as possible, one for each class (numpy)."""

from __future__ import annotations

import numpy as np
import scipy.linalg

_NUM_TRIALS = 64  # random candidates for each further centre; chosen


def class_centers(num_classes: int, code_size: int, seed: int = 0) -> np.ndarray:
    """Codes for classes: rows of a Hadamard matrix, their opposites, then random codes far from the others.

    Rows of a Hadamard matrix differ in exactly half their bits, as do the opposites of different rows.
    Where the code size is no power of two or the classes outnumber these rows, each further centre is the
    best of some random balanced codes, by its least distance to the centres so far.
    Source: CSQ, https://arxiv.org/abs/1908.00347, section 3.1; the greedy choice is ours.

    Args:
        num_classes: C, at least 1.
        code_size: K, at least 1.
        seed: of the random codes and of which class gets which row.

    Returns:
        float32, [C, K], -1 and 1.

    Raises:
        ValueError: if there are fewer codes of K bits than classes.
    """
    _check_count(num_classes, code_size)
    generator = np.random.default_rng(seed)
    centers = np.empty((0, code_size), np.float32)
    if code_size & (code_size - 1) == 0:
        rows = scipy.linalg.hadamard(code_size).astype(np.float32)
        # Row 0 is all ones: it comes last, since a code of one sign tells nothing by any bit.
        rows = np.concatenate([rows[1:], -rows[1:], rows[:1], -rows[:1]])
        centers = rows[:num_classes]
    while len(centers) < num_classes:
        bits = np.tile(np.arange(code_size) % 2, (_NUM_TRIALS, 1))
        trials = generator.permuted(bits, axis=1).astype(np.float32) * 2 - 1
        if code_size < 8:  # balanced codes may all be taken
            trials = generator.choice([-1.0, 1.0], size=trials.shape).astype(np.float32)
        nearest = (trials @ centers.T).max(axis=1, initial=-code_size)
        best = int(np.argmin(nearest))
        if nearest[best] < code_size:  # not one that is there already
            centers = np.concatenate([centers, trials[best:best + 1]])
    return centers[generator.permutation(num_classes)]


def nested_centers(num_classes: int, lengths: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Codes for classes whose first bits are codes for them too, far apart at each length.

    Those of `class_centers` for the first length, then piece by piece: where a piece has orthogonal rows for
    all classes, in an order of its own, so that pieces tell different things; else the best of some random
    balanced codes for each class, by the least distance of all its bits to the classes before it.

    Args:
        num_classes: C.
        lengths: ascending; the last is K.
        seed: of all choices.

    Returns:
        float32, [C, K], -1 and 1.

    Raises:
        ValueError: if there are fewer codes of the first length than classes.
    """
    centers = class_centers(num_classes, lengths[0], seed)
    for before, length in zip(lengths, lengths[1:]):
        size = length - before
        if size & (size - 1) == 0 and num_classes <= size:
            piece = class_centers(num_classes, size, seed + length)
        else:
            piece = _far_apart(centers, size, np.random.default_rng(seed + length))
        centers = np.concatenate([centers, piece], axis=1)
    return centers


def bernoulli_centers(num_classes: int, lengths: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Codes for classes whose bits are tossed like coins, about orthogonal where they are long.

    Where the first bits are those of a class before, they are tossed again.
    Source: OrthoHash, https://arxiv.org/abs/2109.14449, section 3.2, as its published program does.

    Args:
        num_classes: C.
        lengths: ascending; the last is K. The first bits of such a code are such a code.
        seed: of the tosses.

    Returns:
        float32, [C, K], -1 and 1.

    Raises:
        ValueError: if there are fewer codes of the first length than classes.
    """
    _check_count(num_classes, lengths[0])
    generator, found = np.random.default_rng(seed), {}
    while len(found) < num_classes:
        bits = generator.integers(0, 2, lengths[-1])
        found.setdefault(bits[:lengths[0]].tobytes(), bits)
    return np.stack(list(found.values())).astype(np.float32) * 2 - 1


def _check_count(num_classes: int, code_size: int) -> None:
    if num_classes > 2.0**code_size:
        raise ValueError("Classes must not outnumber codes. "
                         f"Received: {num_classes} classes, code_size={code_size}.")


def _far_apart(centers: np.ndarray, size: int, generator: np.random.Generator) -> np.ndarray:
    """Further bits for centres: float32 [C, K] to float32 [C, size]."""
    piece = np.empty((0, size), np.float32)
    for known, center in enumerate(centers):
        bits = np.tile(np.arange(size) % 2, (_NUM_TRIALS, 1))
        trials = generator.permuted(bits, axis=1).astype(np.float32) * 2 - 1
        nearest = (trials @ piece.T + centers[:known] @ center).max(axis=1, initial=-np.inf)
        piece = np.concatenate([piece, trials[[int(np.argmin(nearest))]]])
    return piece
