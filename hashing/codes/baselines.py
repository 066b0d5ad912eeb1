"""Baseline codes without a network: signs of principal components, plain or turned by ITQ."""

from __future__ import annotations

import faiss
import numpy as np

from data_prep.stage.settings import require_member
from data_prep.stage.table import Table
from hashing.codes import codes

METHODS = Table("method", {  # functions: components, seed to the rotation of components before their signs
    "pca_sign": "hashing.codes.baselines:no_rotation",
    "itq": "hashing.codes.baselines:itq_rotation",
})
_ITQ_ITERATIONS = 50  # Gong and Lazebnik, CVPR 2011, section 3.2


def fit_codes(method: str, training: np.ndarray, code_size: int, seed: int = 0):
    """Learns on some descriptors how to make codes of any.

    Codes are the signs of the first principal components of the centred descriptors, rotated by the method.

    Args:
        method: of METHODS.
        training: float32, [N, D].
        code_size: K, at most D and at most N.
        seed: of ITQ's first rotation.

    Returns:
        Function from float32 [n, D] to bits, uint8 [n, K] of 0 and 1.

    Raises:
        ValueError: see `fit_projection`.
    """
    matrix, offset = fit_projection(method, training, code_size, seed)
    return lambda descriptors: codes.binarize(np.asarray(descriptors, np.float32) @ matrix + offset)


def fit_projection(method: str, training: np.ndarray, code_size: int, seed: int = 0,
                   whitening: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """The map whose signs `fit_codes` takes: x to x @ matrix + offset.

    Args:
        method, training, code_size, seed: see `fit_codes`.
        whitening: power of a component's standard deviation that it is divided by, in [0, 1].

    Returns:
        matrix: float32, [D, K].
        offset: float32, [K].

    Raises:
        ValueError: if the method is unknown, or `code_size` above the number or the size of descriptors.
    """
    require_member("method", method, METHODS)
    count, dimension = training.shape
    if code_size > min(count, dimension):
        raise ValueError("`code_size` must be at most the number and the size of the descriptors. "
                         f"Received: code_size={code_size}, {count} descriptors of {dimension}.")
    training = np.ascontiguousarray(training, np.float32)
    mean = training.mean(axis=0)
    pca = faiss.PCAMatrix(dimension, code_size)
    pca.train(training - mean)
    axes = faiss.vector_to_array(pca.A).reshape(-1, dimension)[:code_size].T
    if whitening:
        deviations = ((training - mean) @ axes).std(axis=0)
        axes = axes / np.maximum(deviations, 1e-6 * deviations.max()) ** whitening
    matrix = axes @ METHODS[method]((training - mean) @ axes, seed)
    return matrix, -mean @ matrix


def no_rotation(components: np.ndarray, _seed: int) -> np.ndarray:
    """The components of float32 [N, K] as they are."""
    return np.eye(components.shape[1], dtype=np.float32)


def itq_rotation(components: np.ndarray, seed: int) -> np.ndarray:
    """Rotation that brings float32 [N, K] nearest to their signs, by turns: signs, then the best rotation.

    Source: Iterative Quantization, CVPR 2011, https://doi.org/10.1109/CVPR.2011.5995432.
    FAISS has one too (ITQMatrix), which did not converge: on points at the corners of a turned cube it left
    a mean squared error of 0.34, this one 0.002 to 0.15.
    """
    size = components.shape[1]
    rotation, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((size, size)))
    for _ in range(_ITQ_ITERATIONS):
        left, _, right = np.linalg.svd(components.T @ np.sign(components @ rotation))
        rotation = left @ right
    return rotation.astype(np.float32)
