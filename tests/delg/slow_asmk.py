"""The aggregated selective match kernel by loops, straight from its formulas."""

import math

import numpy as np


def residuals_of(descriptors, codebook, num_assignments=1):
    """Unit residual of each codeword that an image has, by codeword; sums of zero are left out."""
    sums = {}
    for descriptor in descriptors:
        distances = [np.sum((descriptor - codeword) ** 2) for codeword in codebook]
        for word in np.argsort(distances, kind="stable")[:num_assignments]:
            sums[word] = sums.get(word, 0) + descriptor - codebook[word]
    return {word: total / np.linalg.norm(total) for word, total in sums.items()
            if np.linalg.norm(total) > 1e-5}


def kernel(query, image, alpha=3.0, threshold=0.0, weights=None, is_binary=False):
    """K(X, Y) of residuals as `residuals_of` gives them."""
    weights = weights if weights is not None else dict.fromkeys([*query, *image], 1.0)

    def match(one, other):
        product = np.mean(np.where(one > 0, 1, -1) * np.where(other > 0, 1, -1)) if is_binary else one @ other
        return math.copysign(abs(product) ** alpha, product) if product > threshold else 0.0

    def total(one, other):
        return sum(weights[word] * match(one[word], other[word]) for word in one if word in other)

    own = math.sqrt(total(query, query) * total(image, image))
    return total(query, image) / own if own else 0.0
