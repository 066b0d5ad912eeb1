"""Images of one thing brought together: components of the graph of pairs that are judged the same.

One wrong pair would join two places. So a pair counts if both images, each as the query, say so, and an edge
that alone holds two groups together is cut unless it is certain.
"""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import scipy.sparse
import scipy.sparse.csgraph

from data_prep.stage import progress
from delg.features.reader import FeatureReader
from delg.geometry.pairs import verify_pair
from delg.geometry.verdict import COLUMNS, VerdictModel, pair_evidence
from delg.index.kind import Index
from delg.search.first_search import first_search
from delg.settings.search import SearchConfig

_CACHED_IMAGES = 1024  # whose local features are kept, about 0.3 MB each
_MANY = {"inliers": 150, "matches": 250, "mutual": 75}  # more than most pairs have; chosen
_CERTAIN = 0.99  # least probability of an edge that alone holds groups together; chosen


@dataclasses.dataclass(frozen=True)
class SamePairs:
    """Pairs of rows that show one thing.

    Attributes:
        rows: int64, [E, 2], the lower row first.
        probabilities: float64, [E]; the lesser of the two ways round.
        similarities: float64, [E]; cosines of the global descriptors.
    """

    rows: np.ndarray
    probabilities: np.ndarray
    similarities: np.ndarray


def same_pairs(images: FeatureReader, index: Index, model: VerdictModel, config: SearchConfig,
               local_index: Index | None = None) -> SamePairs:
    """The pairs judged the same, of each image and those most like it.

    Args:
        images: features of all images.
        index: of the same images, in the same order, ranked by global descriptors.
        model: says how probable it is.
        config: how pairs are verified; its `num_neighbors` is how many each image is compared with.
        local_index: of the same images by local features, whose similarities are summed; None: there is none.

    Raises:
        ValueError: if index and features are of other images.
    """
    if list(index.ids) != list(images.ids):
        raise ValueError("`index` must be of the images of the features, in their order. "
                         f"Received: {len(index.ids)} and {len(images.ids)} images.")
    pairs, similarities, local_similarities = _candidates(images, index, local_index, config)
    hopeful = _hopeful(similarities, local_similarities, model)
    pairs, similarities, local_similarities = (
        values[hopeful] for values in (pairs, similarities, local_similarities))
    probabilities = np.ones(len(pairs))
    local_features = functools.lru_cache(_CACHED_IMAGES)(images.local_features)
    for place, (one, other) in enumerate(progress.track(pairs, "Verifying", len(pairs), "pairs")):
        similarity = similarities[place]
        for first, second in ((int(one), int(other)), (int(other), int(one))):
            sizes = images.image_sizes[first], images.image_sizes[second]
            pair = verify_pair(local_features(first), local_features(second), config, sizes[0])
            evidence = pair_evidence(similarity, pair.num_inliers, len(pair.matches), pair.num_mutual,
                                     local_similarities[place])
            [said] = model.probabilities(evidence[None])
            probabilities[place] = min(said, probabilities[place])
            if said < model.same:
                break
    is_same = probabilities >= model.same
    return SamePairs(pairs[is_same], probabilities[is_same], similarities[is_same])


def _candidates(images: FeatureReader, index: Index, local_index: Index | None,
                config: SearchConfig) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs to be verified, int64 [P, 2], the lower row first; their similarities and local ones, float [P].

    Where either image found the other, the larger similarity counts.
    """
    one_more = dataclasses.replace(config, num_neighbors=config.num_neighbors + 1)  # each finds itself
    found = first_search(images, index, local_index, one_more)
    pairs = np.stack([np.repeat(np.arange(len(images)), found.ranks.shape[1]), found.ranks.ravel()], axis=1)
    others = pairs[:, 0] != pairs[:, 1]
    pairs, places = np.unique(np.sort(pairs[others], axis=1), axis=0, return_inverse=True)
    similarities, local_similarities = np.full(len(pairs), -1.0), np.zeros(len(pairs))
    np.maximum.at(similarities, places, found.similarities.ravel()[others])
    if found.local_similarities is not None:
        np.maximum.at(local_similarities, places, found.local_similarities.ravel()[others])
    return pairs, similarities, local_similarities


def _hopeful(similarities: np.ndarray, local_similarities: np.ndarray, model: VerdictModel) -> np.ndarray:
    """bool [P]: whether many inliers would make a pair the same; the others need not be verified."""
    evidence = np.zeros((len(similarities), len(COLUMNS)))
    for name, values in {**_MANY, "similarity": similarities, "local_similarity": local_similarities}.items():
        evidence[:, COLUMNS.index(name)] = values
    return model.probabilities(evidence) >= model.same


def components(num_images: int, pairs: SamePairs) -> np.ndarray:
    """Which group each image is in: int64 [num_images], groups numbered by their first image.

    Bridges, edges without which a group falls in two, are cut where both parts have two images or more,
    unless they are certain.
    """
    edges, kept = pairs.rows, np.ones(len(pairs.rows), bool)
    graph = _graph(num_images, edges)
    in_triangle = np.ravel(((graph @ graph).multiply(graph) > 0)[tuple(edges.T)]) if kept.size else kept
    for edge in np.flatnonzero((pairs.probabilities < _CERTAIN) & ~in_triangle):
        kept[edge] = False
        groups = _components(num_images, edges[kept])
        one, other = groups[edges[edge]]
        sizes = [np.count_nonzero(groups == group) for group in (one, other)]
        kept[edge] = one == other or min(sizes) < 2
    return _components(num_images, pairs.rows[kept])


def _components(num_images: int, edges: np.ndarray) -> np.ndarray:
    _, labels = scipy.sparse.csgraph.connected_components(_graph(num_images, edges), directed=False)
    _, first, places = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[places]


def _graph(num_images: int, edges: np.ndarray) -> scipy.sparse.csr_matrix:
    """Both directions of each edge."""
    both = np.concatenate([edges, edges[:, ::-1]])
    return scipy.sparse.csr_matrix((np.ones(len(both)), both.T), shape=(num_images, num_images))


def medoids(groups: np.ndarray, descriptors: np.ndarray) -> np.ndarray:
    """The row of each group that is most like all of it: int64 [num_groups].

    Args:
        groups: int, [N], from 0 on without holes.
        descriptors: float32, [N, D], unit norm.
    """
    chosen = np.zeros(groups.max(initial=-1) + 1, np.int64)
    for group in range(len(chosen)):
        rows = np.flatnonzero(groups == group)
        chosen[group] = rows[(descriptors[rows] @ descriptors[rows].sum(axis=0)).argmax()]
    return chosen
