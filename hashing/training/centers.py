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
    if num_classes > 2.0**code_size:
        raise ValueError("Classes must not outnumber codes. "
                         f"Received: {num_classes} classes, code_size={code_size}.")
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
