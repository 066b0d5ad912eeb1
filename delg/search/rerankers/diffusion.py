"""Diffusion on the graph of mutual nearest neighbours: similarity along the manifold (numpy, scipy.sparse).

An image that looks nothing like the query is still found where a chain of similar images leads to it.
Source: Iscen et al., "Efficient Diffusion on Region Manifolds: Recovering Small Objects with Compact CNN
Representations", CVPR 2017, https://arxiv.org/abs/1611.05113, sections 3 and 4.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from data_prep.stage.settings import setting
from delg.search.rerankers.reranker import RankingState, Reranker, exact_search

if TYPE_CHECKING:
    import scipy.sparse

_TINY = np.float32(1e-30)


@dataclasses.dataclass(frozen=True)
class DiffusionConfig:
    """Settings of diffusion."""

    diffusion_images: int = setting(
        2000, help="results of a query that make the graph of diffusion; chosen, 1000 or more published",
        range="(0, inf)")
    diffusion_neighbors: int = setting(
        50, help="nearest neighbours of an image in the graph of diffusion; Iscen et al., CVPR 2017",
        range="(0, inf)")
    diffusion_seeds: int = setting(
        10, help="results where the walk of diffusion starts; CVPR 2017", range="(0, inf)")
    diffusion_gamma: float = setting(
        3.0, help="affinity in the graph of diffusion is cosine^gamma; CVPR 2017", range="(0, inf)")
    diffusion_alpha: float = setting(
        0.99, help="chance that the walk of diffusion goes on; CVPR 2017", range="[0, 1)")


def neighbor_graph(descriptors: np.ndarray, num_neighbors: int, gamma: float) -> scipy.sparse.csr_matrix:
    """Symmetrically normalised affinities of the images that are among each other's nearest neighbours.

    Affinity is max(cosine, 0)^gamma, divided by the roots of both images' sums of affinities; an image is no
    neighbour of itself, and one without mutual neighbours has an empty row.

    Args:
        descriptors: float32, [M, D], unit norm.
        num_neighbors: nearest neighbours looked at per image.
        gamma: exponent.

    Returns:
        float32, [M, M], symmetric, eigenvalues in [-1, 1].
    """
    import scipy.sparse  # not at the top: see `reranker`

    size = len(descriptors)
    rows, similarities = exact_search(descriptors)(descriptors, num_neighbors + 1)
    affinities = np.maximum(similarities, 0) ** np.float32(gamma)
    affinities[rows == np.arange(size)[:, None]] = 0
    starts = np.arange(size + 1) * rows.shape[1]
    graph = scipy.sparse.csr_matrix((affinities.ravel(), rows.ravel(), starts), (size, size))
    graph = graph.minimum(graph.T).tocsr()
    degrees = np.asarray(graph.sum(axis=1), np.float32).ravel()
    roots = scipy.sparse.diags(np.where(degrees > 0, 1 / np.sqrt(np.maximum(degrees, _TINY)), np.float32(0)))
    return (roots @ graph @ roots).tocsr().astype(np.float32)


def solve(graph: scipy.sparse.csr_matrix, seeds: np.ndarray, alpha: float, max_iterations: int = 20,
          tolerance: float = 1e-6) -> np.ndarray:
    """The state a walk from the seeds settles into: f with (I - alpha graph) f = seeds.

    Conjugate gradients, all queries at once; each column stops by itself.

    Args:
        graph: float32, [M, M]; from `neighbor_graph`.
        seeds: float32, [M, Q]; where the walk of each query starts.
        alpha: chance of walking on, in [0, 1).
        max_iterations: of conjugate gradients; 20 in the paper, section 4.1.
        tolerance: norm of the residual over that of the seeds.

    Returns:
        float32, [M, Q]; 0 where no path leads.
    """
    state = np.zeros_like(seeds, np.float32)
    residual = np.array(seeds, np.float32)
    direction = residual.copy()
    energy = np.sum(residual * residual, axis=0)
    enough = np.float32(tolerance) ** 2 * energy
    for _ in range(max_iterations):
        active = energy > enough
        if not active.any():
            break
        product = direction - np.float32(alpha) * (graph @ direction)
        curvature = np.maximum(np.sum(direction * product, axis=0), _TINY)
        step = np.where(active, energy / curvature, np.float32(0))
        state += step * direction
        residual -= step * product
        left = np.sum(residual * residual, axis=0)
        direction = residual + left / np.maximum(energy, _TINY) * direction
        energy = left
    return state


def diffuse(queries: np.ndarray, descriptors: np.ndarray, candidates: np.ndarray, num_seeds: int,
            num_neighbors: int, gamma: float, alpha: float) -> np.ndarray:
    """How much of each query's walk ends at each of its candidates.

    The walk starts at the first `num_seeds` candidates, by cosine^gamma to the query, and stays among the
    candidates (truncation, section 4.3 of the paper): the graph is as small as their number, however large
    the index. Where the candidates are the whole index, one graph serves all queries. Equal descriptors count
    once: they would fill each other's lists of neighbours, and most walks would never come to them.

    Args:
        queries: float32, [Q, D], unit norm.
        descriptors: float32, [N, D], unit norm; of the index.
        candidates: int, [Q, M]; index rows, best first, each at most once per query.
        num_seeds: candidates where the walk starts.
        num_neighbors: of each image in the graph.
        gamma: exponent of cosines.
        alpha: chance of walking on, in [0, 1).

    Returns:
        float32, [Q, M], aligned with `candidates`, at most 1; 0 where the walk never comes.
    """
    def starts(query: np.ndarray, vectors: np.ndarray) -> np.ndarray:
        return np.maximum(vectors @ query, 0) ** np.float32(gamma)

    if candidates.shape[1] == len(descriptors):
        first, number = _distinct(descriptors)
        seeds = np.zeros((len(first), len(queries)), np.float32)
        for column, (query, rows) in enumerate(zip(queries, candidates)):
            best = rows[np.sort(np.unique(number[rows], return_index=True)[1])[:num_seeds]]
            seeds[number[best], column] = starts(query, descriptors[best])
        graph = neighbor_graph(descriptors[first], num_neighbors, gamma)
        states = np.take_along_axis(solve(graph, seeds, alpha)[number].T, candidates, 1)
    else:
        states = np.empty(candidates.shape, np.float32)
        for state, query, rows in zip(states, queries, candidates):
            vectors = descriptors[rows]
            first, number = _distinct(vectors)
            vectors = vectors[first]
            seeds = np.zeros((len(first), 1), np.float32)
            seeds[:num_seeds, 0] = starts(query, vectors[:num_seeds])
            state[:] = solve(neighbor_graph(vectors, num_neighbors, gamma), seeds, alpha)[number, 0]
    states = np.maximum(states, 0)
    return states / np.maximum(states.max(axis=1, keepdims=True), _TINY)


def _distinct(descriptors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows [n] of descriptors [N, D] that equal no earlier one, and which of these each row [N] equals."""
    numbers: dict[bytes, int] = {}
    number = np.array([numbers.setdefault(descriptors[row].tobytes(), len(numbers))
                       for row in range(len(descriptors))])
    return np.unique(number, return_index=True)[1], number


def _rerank(state: RankingState, config: DiffusionConfig) -> RankingState:
    scores = diffuse(state.queries, state.descriptors, state.ranks[:, :config.diffusion_images],
                     config.diffusion_seeds, config.diffusion_neighbors, config.diffusion_gamma,
                     config.diffusion_alpha)
    return state.with_scores(scores, scores > 0)


DIFFUSION = Reranker(_rerank, DiffusionConfig, depth=lambda config: config.diffusion_images)
