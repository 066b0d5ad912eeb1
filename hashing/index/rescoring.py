"""The first results of a search by codes in the order of more than their bits.

    asymmetric  real values of the query against the bits of the index, which it holds anyway
    values      cosine of the real values on both sides, those of the index from its code shards
    features    the same of what the code layer sees
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from delg.vectors.unit import unit_vectors
from hashing.codes import code_shards, codes
from hashing.codes.code_shards import EncodedImages
from hashing.index.code_index import CodeIndex
from hashing.index.kinds import ASYMMETRIC

Scorer = Callable[[EncodedImages, np.ndarray], np.ndarray]

def scorer_for(kind: str, index: CodeIndex, index_codes: str = "") -> Scorer:
    """What scores results, int64 [Q, M] rows of the index or -1, for queries: float32 [Q, M], more is nearer.

    Args:
        kind: one of RESCORINGS but none.
        index: that was searched.
        index_codes: values, features: folder or glob of the code shards that the index was built from.

    Raises:
        ValueError: when called, if shards lack an image of the index, or features that were not kept.
    """
    if kind == ASYMMETRIC:
        return lambda queries, rows: np.stack([
            codes.asymmetric_similarities(value[None], codes.unpack(index.codes[row], index.code_size))[0]
            for value, row in zip(queries.values, rows)])

    def score(queries: EncodedImages, rows: np.ndarray) -> np.ndarray:
        of_queries = getattr(queries, kind)
        wanted, places = np.unique(rows, return_inverse=True)  # -1 is the last image, whose score nobody sees
        vectors = code_shards.read_rows(index_codes, kind, index.ids(wanted), index.fingerprint)
        if kind == "values":
            vectors = vectors[:, :index.code_size]
        if not of_queries.shape[1] or of_queries.shape[1] != vectors.shape[1]:
            raise ValueError(f"`rescore_by` {kind} needs them of queries and index; hashing.encode_images "
                             f"keeps features where `keep_features` is set. Received: {of_queries.shape[1]} "
                             f"numbers of a query, {vectors.shape[1]} of an image of {index_codes!r}.")
        of_queries, vectors = unit_vectors(of_queries), unit_vectors(vectors)
        places = places.reshape(rows.shape)
        return np.stack([vectors[place] @ of_query for of_query, place in zip(of_queries, places)])

    return score
