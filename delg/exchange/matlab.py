"""Feature files of the revisited benchmark: `.mat` with global descriptors of index images and queries.

    X  [D, N]  index images, in the order of the ground truth's `imlist`
    Q  [D, M]  queries, in the order of its `qimlist`

A column is an image's descriptor. The files hold no ids: the ground truth has them.
Source: https://github.com/filipradenovic/revisitop, the features it evaluates.
"""

from __future__ import annotations

import os

import numpy as np

from data_prep.sources.formats import matlab_file
from data_prep.stage import files

_NAMES = ("X", "Q")


def write_descriptors(path: str, index_descriptors: np.ndarray, query_descriptors: np.ndarray) -> None:
    """Writes the two sets of descriptors as single-precision matrices of a MATLAB 5 file.

    Args:
        path: of the file, replaced if there.
        index_descriptors: float, [N, D].
        query_descriptors: float, [M, D].

    Raises:
        ValueError: if they are not two matrices of one dimension, or larger than a MATLAB 5 file takes.
    """
    from scipy import io  # takes a while, and only this format needs it
    matrices = [np.asarray(descriptors, np.float32) for descriptors in (index_descriptors, query_descriptors)]
    if any(matrix.ndim != 2 for matrix in matrices) or len({matrix.shape[1] for matrix in matrices}) > 1:
        raise ValueError(f"{path} must be of index and query descriptors with the same dimension. "
                         f"Received: {matrices[0].shape} and {matrices[1].shape}.")
    if max(matrix.nbytes for matrix in matrices) >= 2**31:
        raise ValueError(f"A matrix in {path} must be below 2 GiB, the limit of MATLAB 5 files. "
                         f"Received: {matrices[0].shape} and {matrices[1].shape} in single precision.")
    with files.replacing(path) as temporary, open(temporary, "wb") as file:
        io.savemat(file, {name: matrix.T for name, matrix in zip(_NAMES, matrices)})


def read_descriptors(path: str) -> tuple[np.ndarray, np.ndarray]:
    """Descriptors of the index images, float32 [N, D], and of the queries, float32 [M, D], not normalised.

    Files of MATLAB 5 to 7 are read (`-v7.3` writes HDF5 instead).

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no such file, or X and Q are not finite real matrices with as many rows as each
            other.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(f"{path} must be a .mat feature file. Received: no such file.")
    index, query = matlab_file.read_variables(path, _NAMES).values()
    for name, matrix in zip(_NAMES, (index, query)):
        matrix = np.asarray(matrix, None if isinstance(matrix, np.ndarray) else object)
        if matrix.dtype.kind != "f" or matrix.ndim != 2 or not matrix.size:
            raise ValueError(f"{name} of {path} must be a matrix of single or double precision. "
                             f"Received: {matrix.dtype} {matrix.shape}.")
    if index.shape[0] != query.shape[0] or not (np.all(np.isfinite(index)) and np.all(np.isfinite(query))):
        raise ValueError(f"X and Q of {path} must be [D, N] and [D, M] and finite. "
                         f"Received: {index.shape} and {query.shape}.")
    return np.ascontiguousarray(index.T, np.float32), np.ascontiguousarray(query.T, np.float32)
