"""How well verified hits tell where a query was taken, on a made world.

    python -m data_prep.make_world --output_dir=world --seed=11 --num_landmarks=0 --num_eval_landmarks=72 --num_distractors=300
    python -m tests.benchmarks.bench_places --world=world --work_dir=places

Half of the landmarks lie in the index, beside all distractors: queries of the others show what nobody can place.
Then the other half. Each half says which circle and share to take, of a few, and the other half is judged by them.
Places are those of the landmarks, or those where the photographers stood: up to 140 m before the front.
The first run describes some 1,250 images, ten a second; later ones read what they found.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
import shutil

import numpy as np
import pandas as pd
from absl import flags

from data_prep.stage import command_line, files
from delg.photos import collection, finding
from delg.places.estimate import CLUSTER_RADIUS_M, LEAST_SHARE, estimate
from delg.places.sphere import EARTH_RADIUS_M, distances_m
from delg.scores.found import SAME
from delg.settings.photos import photo_extraction, photo_search
from delg.settings.places import PlacesConfig

_WORLD = flags.DEFINE_string("world", None, "Folder of data_prep.make_world.", required=True)
_WORK_DIR = flags.DEFINE_string("work_dir", None, "Folder for what is found, kept between runs.", required=True)
_NUM_HITS = 20
_RADII_M, _SHARES = (100.0, 250.0, 500.0, 1000.0, 2000.0), (0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
_WITHIN_M = (25, 1000, 25_000)
Rule = tuple  # metres of a circle, share of the weight


@dataclasses.dataclass(frozen=True)
class Told:
    """What a rule said of some queries.

    Attributes:
        errors_m: float, [N], of queries whose landmark lies in the index; inf: cannot tell.
        is_unknown_told: bool, [M], of the others: whether a place was told, which is wrong.
    """

    errors_m: np.ndarray
    is_unknown_told: np.ndarray

    @property
    def goodness(self) -> float:
        """Share of queries that are right: within 1 km, or not told where nobody can."""
        right = np.count_nonzero(self.errors_m < 1000) + np.count_nonzero(~self.is_unknown_told)
        return right / (len(self.errors_m) + len(self.is_unknown_told))


def _views() -> pd.DataFrame:
    """Per image `landmark`, `split`, degrees of the landmark and of where the photographer stood."""
    views = pd.read_csv(os.path.join(_WORLD.value, "eval/views.csv"), dtype={"image": str}).set_index("image")
    places = pd.read_csv(os.path.join(_WORLD.value, "landmark_locations.csv")).set_index("landmark_id")
    views[["latitude", "longitude"]] = places.reindex(views["landmark"])[["latitude", "longitude"]].to_numpy()
    azimuth, metre = np.radians(views["view_angle"]), 180 / np.pi / EARTH_RADIUS_M
    views["standing_latitude"] = views["latitude"] - views["distance"] * np.cos(azimuth) * metre
    views["standing_longitude"] = views["longitude"] + views["distance"] * np.sin(azimuth) * metre / np.cos(
        np.radians(views["latitude"]))
    return views


def _found(half: int, views: pd.DataFrame) -> list[dict]:
    """What every query found among the landmarks of a half: [{"query", "hits": [[image, probability, same]]}]."""
    path = os.path.join(_WORK_DIR.value, f"found{half}.json")
    if os.path.exists(path):
        return files.read_json(path)
    images = os.path.join(_WORLD.value, "eval/jpg")
    photos = os.path.join(_WORK_DIR.value, f"photos{half}")
    shutil.rmtree(photos, ignore_errors=True)
    os.makedirs(photos)
    for name in views.index[(views["split"] == "index") & ~(views["landmark"] % 2 == 1 - half)]:
        os.symlink(os.path.abspath(os.path.join(images, f"{name}.jpg")), os.path.join(photos, f"{name}.jpg"))
    queries = [os.path.join(images, f"{name}.jpg") for name in views.index[views["split"] == "query"]]
    with collection.opened(photos, f"{photos}.found", "", photo_extraction()) as opened:
        answers = finding.find_images(opened, queries, (), _NUM_HITS, photo_search(),
                                      places=PlacesConfig(use_gps=False)).found
    found = [{"query": _name(answer.query), "hits": [
        [_name(hit.image), hit.probability, hit.verdict == SAME] for hit in answer.hits]} for answer in answers]
    files.write_json(path, found)
    return found


def _name(path: str) -> str:
    return os.path.splitext(os.path.basename(path))[0]


def _told(found: list[dict], half: int, views: pd.DataFrame, columns: list[str], rule: Rule | None) -> Told:
    """What a rule tells of the queries; None: the place of the first hit that has one, whatever its verdict."""
    places = {name: tuple(row) for name, row in views[columns].dropna().iterrows()}
    errors, unknown = [], []
    for answer in found:
        hits = [(places[image], probability) for image, probability, is_same in answer["hits"]
                if image in places and (is_same or rule is None)]
        if rule is None:
            place = hits[0][0] if hits else None
        else:
            place = estimate([place for place, _ in hits], [probability for _, probability in hits], *rule)
        if views.loc[answer["query"], "landmark"] % 2 != half:
            unknown.append(place is not None)
        else:
            errors.append(np.inf if place is None else float(
                distances_m(place[:2], places[answer["query"]])[0, 0]))
    return Told(np.array(errors), np.array(unknown))


def _print(name: str, told: Told) -> None:
    known, unknown = told.errors_m, told.is_unknown_told
    is_told = np.isfinite(known)
    within = " ".join(f"{100 * np.mean(known <= metres):6.1f}" for metres in _WITHIN_M)
    num_silent = np.count_nonzero(~is_told) + np.count_nonzero(~unknown)
    print(f"{name:42} {np.median(known[is_told]) if is_told.any() else np.nan:7.1f} {within} "
          f"{100 * np.mean(known[is_told] > 1000) if is_told.any() else 0:7.1f} {100 * np.mean(~is_told):8.1f} "
          f"{100 * np.mean(~unknown):8.1f} {100 * np.count_nonzero(~unknown) / max(num_silent, 1):8.1f}")


def main(_) -> None:
    os.makedirs(_WORK_DIR.value, exist_ok=True)
    views = _views()
    found = [_found(half, views) for half in (0, 1)]
    print(f"{'places, rule':42} {'median':>7} {'25 m':>6} {'1 km':>6} {'25 km':>6} {'wrong':>7} {'no: known':>9} "
          f"{'unknown':>7} {'right no':>8}   (m; percent)")
    for name, columns in (("of landmarks", ["latitude", "longitude"]),
                          ("of photographers", ["standing_latitude", "standing_longitude"])):
        chosen, judged = [], []
        for half in (0, 1):
            other = 1 - half
            rule = max(itertools.product(_RADII_M, _SHARES),
                       key=lambda rule: _told(found[other], other, views, columns, rule).goodness)  # noqa: B023
            chosen.append(rule)
            judged.append(_told(found[half], half, views, columns, rule))
        rules = ", ".join(f"{radius:.0f} m {share}" for radius, share in chosen)
        _print(f"{name}, chosen on the other half", _both(judged))
        print(f"  chosen: {rules}")
        for rule, said in ((CLUSTER_RADIUS_M, LEAST_SHARE), f"as shipped, {CLUSTER_RADIUS_M:.0f} m {LEAST_SHARE}"), (
                None, "the first hit, whatever its verdict"):
            _print(f"{name}, {said}", _both([_told(found[half], half, views, columns, rule) for half in (0, 1)]))
        for rule in itertools.product(_RADII_M, _SHARES):
            both = [_told(found[half], half, views, columns, rule).goodness for half in (0, 1)]
            print(f"    {rule[0]:6.0f} m {rule[1]}: right {100 * both[0]:.1f}, {100 * both[1]:.1f}")


def _both(judged: list[Told]) -> Told:
    return Told(*(np.concatenate([getattr(told, name) for told in judged])
                  for name in ("errors_m", "is_unknown_told")))


if __name__ == "__main__":
    command_line.run(main)
