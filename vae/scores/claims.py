"""Claims of the original, each against what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from vae.scores.channel_study import CLAIMED_SHARE
from vae.scores.evaluation import DIRECTIONS

_LEAST_GAIN = 5  # of mAP
_LAST_SHARE = 0.1  # of the epochs, over whose mean a loss is compared


class Claim(NamedTuple):
    """A sentence of the original, whether it held, and the figures."""

    claim: str
    held: bool | None  # None: could not be tested
    evidence: str


def judge_claims(result: Mapping[str, Any], study: Mapping[str, Any],
                losses: Mapping[int, np.ndarray]) -> list[Claim]:
    """The claims of the original and of this project's targets.

    Args:
        result: of `evaluation.evaluate`, with "translation": method to `translation.judge_translation`.
        study: of `channel_study.study_channels`, of the paper model.
        losses: number of layers to the triplet loss on reported places at the end of each epoch.
    """
    return [_comparable(result), _few_channels(study), _clustering(result, study), _layers(losses),
            *(_translation(result, name) for name in result.get("translation", {})), _training(result)]


def _comparable(result: Mapping[str, Any]) -> Claim:
    claim = "The latent of the original is comparable to ImageNet features."
    scores = result["night_to_day"]
    if "paper" not in scores or "imagenet" not in scores:
        return Claim(claim, None, "The paper preset or ImageNet features were not there.")
    ours, theirs = scores["paper"], scores["imagenet"]
    return Claim(claim, ours["mAP"] >= theirs["mAP_interval"][0],
                 f"Night to day mAP {ours['mAP']:.1f} against {theirs['mAP']:.1f} "
                 f"({theirs['mAP_interval'][0]:.1f} to {theirs['mAP_interval'][1]:.1f}); held means at least "
                 "the lower bound.")


def _training(result: Mapping[str, Any]) -> Claim:
    claim = f"Training brings the latent at least {_LEAST_GAIN} mAP over the pretrained stem it began with."
    if "adversarial" not in result.get("gains", {}):
        return Claim(claim, None, "The encoder began with no pretrained stem.")
    gain = result["gains"]["adversarial"]["night_to_day"]
    return Claim(claim, gain["mAP"] >= _LEAST_GAIN,
                 f"Night to day {gain['mAP']:+.1f} mAP ({gain['mAP_interval'][0]:+.1f} to "
                 f"{gain['mAP_interval'][1]:+.1f}), {gain['R@1']:+.1f} R@1.")


def _few_channels(study: Mapping[str, Any]) -> Claim:
    entry = next(entry for entry in study["heaviest"] if entry["share"] == CLAIMED_SHARE)
    whole = study["weighted"]["loss"]
    held = entry["loss"] <= 1.05 * whole and (entry["rest_loss"] or 0.0) > 1.05 * whole
    return Claim("About 8 % of the channels carry the triplet loss.", held,
                 f"Loss {whole:.3f} with all channels, {entry['loss']:.3f} with the heaviest "
                 f"{entry['num_channels']} alone ({100 * CLAIMED_SHARE:.0f} %), "
                 f"{entry['rest_loss'] or 0:.3f} with the others alone; held means that those are within 5 % "
                 "of all and the others are not. The least share within 5 %: "
                 f"{100 * study['share_needed']:.0f} %; 90 % of the squared weight lies in "
                 f"{100 * study['share_of_weight']:.0f} % of the channels.")


def _clustering(result: Mapping[str, Any], study: Mapping[str, Any]) -> Claim:
    before, after = study["unweighted"], study["weighted"]
    held = after["distance_ratio"] < before["distance_ratio"]
    text = (f"Paper model, same place over other place: {before['distance_ratio']:.3f} before, "
            f"{after['distance_ratio']:.3f} after")
    ratios, silhouettes = result["distance_ratio"], result["silhouette"]
    if "adversarial_weighted" in ratios:
        held = held and ratios["adversarial_weighted"] < ratios["adversarial"]
        text += (f"; adversarial preset {ratios['adversarial']:.3f} and "
                 f"{ratios['adversarial_weighted']:.3f}, silhouette {silhouettes['adversarial']:.3f} and "
                 f"{silhouettes['adversarial_weighted']:.3f}")
    return Claim("Weighting channels improves the clustering of the latent.", held,
                 f"{text}; held means a lower ratio in each.")


def _layers(losses: Mapping[int, np.ndarray]) -> Claim:
    claim = "More layers do not help deep feature matching."
    if len(losses) < 2:
        return Claim(claim, None, "Only one number of layers was trained.")
    last = {count: float(np.mean(values[-max(1, round(_LAST_SHARE * len(values))):]))
            for count, values in sorted(losses.items())}
    fewest = min(last)
    return Claim(claim, last[fewest] <= min(last.values()),
                 "Triplet loss on reported places at the end: "
                 + ", ".join(f"{count} layers {loss:.3f}" if count > 1 else f"1 layer {loss:.3f}"
                             for count, loss in last.items()) + ".")


def _translation(result: Mapping[str, Any], name: str) -> Claim:
    scores = result["translation"][name]
    claim = f"Translation by the {name} preset is nearer to the true view than the image itself."
    if not scores:
        return Claim(claim, None, "No pairs are known.")
    parts, held = [], True
    for direction in DIRECTIONS:
        found = scores[direction]
        held &= found["L1"] < found["L1_untranslated"] and found["SSIM"] > found["SSIM_untranslated"]
        features = (f", features {found['features']:.3f} against {found['features_untranslated']:.3f}"
                    if "features" in found else "")
        parts.append(f"{direction.replace('_', ' ')}: L1 {found['L1']:.1f} against "
                     f"{found['L1_untranslated']:.1f}, SSIM {found['SSIM']:.3f} against "
                     f"{found['SSIM_untranslated']:.3f}, colour {found['colour']:.1f} against "
                     f"{found['colour_untranslated']:.1f}{features}")
    return Claim(claim, bool(held), "; ".join(parts) + f"; {found['num_pairs']} pairs.")
