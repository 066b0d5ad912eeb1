"""The verdict on verified pairs: how probable it is that both images show one thing, and the word for it.

    evidence = [verdict.pair_evidence(similarity, num_inliers, num_matches, num_mutual) for ...]
    probabilities, words = verdict.verdict_for(has_local=False).judge(evidence)

A model of verdicts is JSON: `weights` of INPUTS and `bias` of a logistic regression; `same` and `unsure`, the
least probabilities of these words; `fitted_on`, what it was fitted on. Two come with the package: one for
searches that sum the similarity of local features, which tells most (shipped/verdict_local.json), one for all
others (shipped/verdict.json). `delg.fit_verification --verdict` fits more.
"""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from data_prep.stage import files
from data_prep.stage.stored_settings import refuse_unknown
from delg.scores.found import NOT_HERE, ONLY_ALIKE, SAME, UNSURE
from delg.vectors import logistic_regression

COLUMNS = ("similarity", "inliers", "matches", "mutual", "local_similarity")  # of evidence
_LOCAL = "local"
INPUTS = ("similarity", "very_alike", "inliers", "inlier_share", "mutual_share", _LOCAL)
_SHIPPED = os.path.join(os.path.dirname(__file__), "shipped")
_ENTRIES = ("weights", "bias", "same", "unsure", "fitted_on")
_VERY_ALIKE = 0.7  # cosine from which on it counts more; chosen on half of some real photographs
_CHANCE = 15  # inliers that chance brings to pairs that are alike; so chosen
_LEAST_LOCAL = 1e-3  # similarity of local features that tells nothing; of images that share no detail


@dataclasses.dataclass(frozen=True)
class VerdictModel:
    """What turns evidence into probabilities and words.

    Attributes:
        weights: float64, [len(INPUTS)], none below 0: more inliers never make a pair less probable.
        bias: of the logit.
        same: least probability of the word "same".
        unsure: least probability of the word "unsure"; below it a pair is "only alike".
    """

    weights: np.ndarray
    bias: float
    same: float
    unsure: float

    @property
    def takes_local(self) -> bool:
        """Whether the similarity of local features counts."""
        return bool(self.weights[INPUTS.index(_LOCAL)])

    def probabilities(self, evidence: np.ndarray) -> np.ndarray:
        """How probable it is that each pair shows one thing: float64 [N], in [0, 1].

        Args:
            evidence: float, [N, len(COLUMNS)], rows of `pair_evidence`.
        """
        return logistic_regression.probabilities(inputs_of(evidence), self.weights, self.bias)

    def words(self, probabilities: np.ndarray) -> list[str]:
        """SAME, UNSURE or ONLY_ALIKE for each of N probabilities."""
        return [SAME if value >= self.same else UNSURE if value >= self.unsure else ONLY_ALIKE
                for value in probabilities]

    def judge(self, evidence: np.ndarray) -> tuple[np.ndarray, list[str]]:
        """Probability, float64 [N], and word of each of N pairs; see `probabilities`."""
        found = self.probabilities(evidence)
        return found, self.words(found)


def query_word(words: Sequence[str]) -> str:
    """The word for a query, of the words for its hits: the best of them, or NOT_HERE."""
    return SAME if SAME in words else UNSURE if UNSURE in words else NOT_HERE


def pair_evidence(similarity: float, num_inliers: int, num_matches: int, num_mutual: int,
                  local_similarity: float = 0.0) -> np.ndarray:
    """What speaks for one thing on both images, in plain numbers: float64 [len(COLUMNS)].

    Args:
        similarity: cosine of the two global descriptors; 0 where there are none.
        num_inliers: matches that agree with the transform.
        num_matches: putative matches that it was sought among.
        num_mutual: how many of these are inliers; others are by guided matching.
        local_similarity: of aggregated local features, in [0, 1]; 0 where it is not known.
    """
    return np.array([similarity, num_inliers, num_matches, num_mutual, local_similarity], np.float64)


def inputs_of(evidence: np.ndarray) -> np.ndarray:
    """What the logistic regression sees of evidence [N, len(COLUMNS)]: float64 [N, len(INPUTS)].

    The similarity, and how far it is above a level; the logarithm of the inliers over what chance brings; the
    inliers, and the putative matches among them, as shares of the putative matches; the logarithm of the
    similarity of local features over what tells nothing. More is better for all.
    """
    evidence = np.asarray(evidence, np.float64)
    if evidence.ndim != 2 or evidence.shape[1] != len(COLUMNS) or not np.all(np.isfinite(evidence)):
        raise ValueError(f"`evidence` must be finite, of shape [N, {len(COLUMNS)}]: {', '.join(COLUMNS)}. "
                         f"Received: shape {evidence.shape}.")
    similarity, inliers, matches, mutual, local = evidence.T
    shares = np.minimum(np.stack([inliers, mutual]) / np.maximum(matches, 1), 1)
    return np.stack([similarity, np.maximum(similarity - _VERY_ALIKE, 0),
                     np.log(np.maximum((1 + inliers) / _CHANCE, 1)), *shares,
                     np.log(np.maximum(local, _LEAST_LOCAL) / _LEAST_LOCAL)], axis=1)


def verdict_for(has_local: bool, path: str = "") -> VerdictModel:
    """The model of verdicts for a search.

    Args:
        has_local: whether it knows similarities of local features.
        path: of a model; empty: one that comes with the package.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if it is not one, was changed since it was written, or takes what is not known.
    """
    shipped = "verdict_local.json" if has_local else "verdict.json"
    model = load_verdict(path or os.path.join(_SHIPPED, shipped))
    if model.takes_local and not has_local:
        raise ValueError("`verdict` must be fitted on a search like this one, without an index of local "
                         f"features. Received: {path!r}.")
    return model


@functools.lru_cache(8)
def load_verdict(path: str) -> VerdictModel:
    """The model of verdicts in a file.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if it is not one, or was changed since it was written.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError("`verdict` must be a file of delg.fit_verification --verdict. "
                                f"Received: {path!r}, which is no file.")
    content = files.read_checked_json(path)
    refuse_unknown(_ENTRIES, content, path)
    return model_of(content, path)


def model_of(content: Mapping[str, Any], source: str) -> VerdictModel:
    """The model that the content of a file says; ValueError, with its source, if it says none."""
    try:
        known = {_LOCAL: 0.0, **content["weights"]}
        weights = np.array([known[name] for name in INPUTS], np.float64)
        bias, same, unsure = (float(content[name]) for name in ("bias", "same", "unsure"))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"A verdict must have {', '.join(_ENTRIES[:4])}. "
                         f"Received: {source}: {error!r}.") from error
    if len(known) != len(INPUTS) or not (np.all(weights >= 0) and np.all(np.isfinite(weights))
                                                      and np.isfinite(bias) and 0 < unsure <= same <= 1):
        raise ValueError(f"A verdict must have weights of {', '.join(INPUTS)} alone, none below 0, and "
                         f"0 < unsure <= same <= 1. Received: {source}: {dict(content)}.")
    return VerdictModel(weights, bias, same, unsure)
