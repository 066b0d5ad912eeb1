"""Asymmetric hashing: a network gives the codes of queries, those of the database are unknowns of their own.

The network is fitted to the codes of the database, and these are solved for, bit by bit, given what the
network says of some queries, which are images of the database.
Source: ADSH, https://arxiv.org/abs/1707.08325, section 3; A2-Net (NeurIPS 2021) trains so too. Codes that may
be cut have the mean over their lengths, each divided by the square of the length, which is ours.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf


def negative_similarity(query_labels: np.ndarray, labels: np.ndarray) -> float:
    """Similarity of two images of different classes where that of one class is 1: all pairs sum to 0.

    Source: the published programs of both papers, which soften -1 so because such pairs are the most.

    Args:
        query_labels: int, [Q].
        labels: int, [N], of the database.

    Returns:
        At most 0; 0 where all images have one class.
    """
    classes, counts = np.unique(labels, return_counts=True)
    equal = sum(int(count) * int(np.sum(query_labels == label)) for label, count in zip(classes, counts))
    others = len(query_labels) * len(labels) - equal
    return -equal / others if others else 0.0


def asymmetric_losses(codes, labels, rows, database, database_labels, negative, gamma, lengths):
    """Of each query the squared error of code products as similarities, and the distance to its own code.

    With similarities s, codes u of queries and v of the database, all of K bits, it is
    (sum over the database of (K s - u v)^2 + gamma |u - v of its own place|^2) / (N K^2).

    Args:
        codes: float, [B, K], in [-1, 1].
        labels: int, [B].
        rows: int, [B], places of the queries in the database.
        database: float, [N, K], -1 and 1.
        database_labels: int, [N].
        negative: of `negative_similarity`.
        gamma: weight of the distance.
        lengths: of codes.

    Returns:
        float32, [B].
    """
    codes = tf.cast(codes, tf.float32)
    similarities = tf.where(labels[:, None] == database_labels[None, :], 1.0, negative)
    own = tf.gather(database, rows)
    count = tf.cast(tf.shape(database)[0], tf.float32)
    losses = []
    for length in lengths:
        products = tf.matmul(codes[:, :length], database[:, :length], transpose_b=True) / length
        distances = tf.reduce_sum(tf.square(codes[:, :length] - own[:, :length]), axis=1)
        losses.append(tf.reduce_mean(tf.square(similarities - products), axis=1)
                      + gamma * distances / (count * length**2))
    return tf.add_n(losses) / len(losses)


def solve_database(database: np.ndarray, codes: np.ndarray, rows: np.ndarray, labels: np.ndarray,
                   negative: float, gamma: float, lengths: Sequence[int]) -> np.ndarray:
    """Codes of the database that lower the `asymmetric_losses` of some queries: each bit once, at its best.

    Source: ADSH, section 3, discrete cyclic coordinate descent.

    Args:
        database: float32, [N, K], -1 and 1; where to begin.
        codes: float32, [Q, K], what the network gives for the queries.
        rows: int, [Q], places of the queries in the database, all different.
        labels: int, [N].
        negative: as above, like the others.
        gamma: weight of the distance.
        lengths: of codes.

    Returns:
        float32, [N, K], -1 and 1.
    """
    database = database.copy()
    of_class = np.zeros((labels.max() + 1, codes.shape[1]), np.float32)  # sum of codes
    np.add.at(of_class, labels[rows], codes)
    wanted = (1 - negative) * of_class[labels] + negative * codes.sum(axis=0)
    own = np.zeros_like(database)
    own[rows] = codes
    for bit in range(codes.shape[1]):
        pull = np.zeros(len(database), np.float32)
        for length in (length for length in lengths if length > bit):
            products = codes[:, :length].T @ codes[:, bit]
            products[bit] = 0  # what the other bits say already
            pull += (length * wanted[:, bit] + gamma * own[:, bit]
                     - database[:, :length] @ products) / length**2
        database[:, bit] = np.where(pull == 0, database[:, bit], np.sign(pull))
    return database
