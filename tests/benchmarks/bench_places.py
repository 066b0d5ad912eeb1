"""How well verified hits tell where a query was taken, on a made world.

    python -m data_prep.make_world --output_dir=world --seed=11 --num_landmarks=0 --num_eval_landmarks=72 --num_distractors=300
    python -m tests.benchmarks.bench_places --world=world --work_dir=places

Half of the landmarks lie in the index, beside all distractors: queries of the others show what nobody can place.
Then the other half. Each half chooses a circle and a share, the other half is judged by them. Places are those of
the landmarks; those where the photographers stood, up to 140 m before a front; or these 20 m off, one in five
of them at another landmark. The first run describes some 1,250 images; later ones read what was found.
"""  # noqa: E501 (commands stand in one line)

from __future__ import annotations

import dataclasses
import itertools
import os
import shutil
from collections.abc import Mapping
from typing import Any

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
_WORK_DIR = flags.DEFINE_string("work_dir", None, "Folder of what is found, kept.", required=True)
_NUM_HITS = 20
_RULES = tuple(itertools.product((50.0, 100.0, 250.0, 500.0, 1000.0, 2000.0), (0.4, 0.5, 0.6, 0.7, 0.8, 0.9)))
_SHIPPED = (CLUSTER_RADIUS_M, LEAST_SHARE)
_WITHIN_M = (25, 1000, 25_000)
_OFF_M, _WRONG = 20, 0.2  # of GPS data made up: deviation north and east, share that is of elsewhere
_METRE = 180 / np.pi / EARTH_RADIUS_M  # degrees of latitude
Rule = tuple  # metres of a circle, share of the weight
Places = Mapping[str, Any]  # name of an image -> degrees


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
    def right(self) -> float:
        """Percent of queries placed within 100 m, or not placed where nobody can."""
        right = np.count_nonzero(self.errors_m < 100) + np.count_nonzero(~self.is_unknown_told)
        return 100 * right / (len(self.errors_m) + len(self.is_unknown_told))


def _views() -> pd.DataFrame:
    views = pd.read_csv(os.path.join(_WORLD.value, "eval/views.csv"), dtype={"image": str}).set_index("image")
    places = pd.read_csv(os.path.join(_WORLD.value, "landmark_locations.csv")).set_index("landmark_id")
    degrees = places.reindex(views["landmark"])[["latitude", "longitude"]]
    return views.assign(latitude=degrees["latitude"].to_numpy(), longitude=degrees["longitude"].to_numpy())


def _moved(degrees: np.ndarray, north: np.ndarray, east: np.ndarray) -> np.ndarray:
    """Places [N, 2] some metres further north and east."""
    return degrees + _METRE * np.stack([north, east / np.cos(np.radians(degrees[:, 0]))], axis=1)


def _kinds_of_places(views: pd.DataFrame) -> dict[str, tuple[Places, Places]]:
    """By words: places of the images that are known, and true places."""
    seen = views.dropna(subset=["latitude"])
    landmarks = seen[["latitude", "longitude"]].to_numpy()
    angle, distance = np.radians(seen["view_angle"].to_numpy()), seen["distance"].to_numpy()
    standing = _moved(landmarks, -distance * np.cos(angle), distance * np.sin(angle))
    rng = np.random.default_rng(0)
    receiver = _moved(standing, *rng.normal(0, _OFF_M, (2, len(seen))))
    is_wrong = rng.random(len(seen)) < _WRONG
    receiver[is_wrong] = rng.permutation(landmarks)[is_wrong]
    by_name = [dict(zip(seen.index, degrees)) for degrees in (landmarks, standing, receiver)]
    return {"landmarks": (by_name[0], by_name[0]), "photographers": (by_name[1], by_name[1]),
            "photographers, bad GPS": (by_name[2], by_name[1])}


def _found(half: int, views: pd.DataFrame) -> list[dict[str, Any]]:
    """By query, name, probability and whether it is the same of each hit among the landmarks of a half."""
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
        [_name(hit.image), hit.probability, hit.verdict == SAME] for hit in answer.hits]}
        for answer in answers]
    files.write_json(path, found)
    return found


def _name(path: str) -> str:
    return os.path.splitext(os.path.basename(path))[0]


def _told(found: list[dict[str, Any]], half: int, views: pd.DataFrame, places: tuple[Places, Places],
          rule: Rule | None) -> Told:
    """What a rule tells of the queries; None: the place of the first hit that has one, whatever it is."""
    known, true = places
    errors, unknown = [], []
    for answer in found:
        hits = [(known[image], probability) for image, probability, is_same in answer["hits"]
                if image in known and (is_same or rule is None)]
        if rule is None:
            place = hits[0][0] if hits else None
        else:
            place = estimate([degrees for degrees, _ in hits], [weight for _, weight in hits], *rule)
        if views.loc[answer["query"], "landmark"] % 2 != half:
            unknown.append(place is not None)
        else:
            errors.append(np.inf if place is None else float(
                distances_m(place[:2], true[answer["query"]])[0, 0]))
    return Told(np.array(errors), np.array(unknown))


def _both(told: list[Told]) -> Told:
    return Told(*(np.concatenate([getattr(each, name) for each in told])
                  for name in ("errors_m", "is_unknown_told")))


def _print(name: str, told: Told) -> None:
    known, unknown = told.errors_m, told.is_unknown_told
    is_told = np.isfinite(known)
    shares = [np.mean(known <= metres) for metres in _WITHIN_M]
    shares += [np.mean(known[is_told] > 1000), np.mean(~is_told), np.mean(~unknown),
               np.count_nonzero(~unknown) / max(np.count_nonzero(~is_told) + np.count_nonzero(~unknown), 1)]
    print(f"{name:38} {np.median(known[is_told]):8.1f}", *(f"{100 * share:8.1f}" for share in shares))


def main(_) -> None:
    os.makedirs(_WORK_DIR.value, exist_ok=True)
    views = _views()
    found = [_found(half, views) for half in (0, 1)]
    print("metres: median error of what is told; percent: of queries of the index within 25 m, 1 km, 25 km;\n"
          "of those told beyond 1 km; of those of the index not told; of the others not told; of all not\n"
          "told the others")
    for name, places in _kinds_of_places(views).items():
        told = {rule: [_told(found[half], half, views, places, rule) for half in (0, 1)]
                for rule in (*_RULES, None)}
        rules = [max(_RULES, key=lambda rule, other=1 - half: told[rule][other].right) for half in (0, 1)]
        _print(f"{name}: chosen on the other half", _both([told[rules[half]][half] for half in (0, 1)]))
        _print(f"{name}: as shipped", _both(told[_SHIPPED]))
        _print(f"{name}: the first hit", _both(told[None]))
        rights = {rule: _both(told[rule]).right for rule in _RULES}
        best = max(rights.values())
        print(f"  chosen {rules}; right {rights[_SHIPPED]:.1f} as shipped, {min(rights.values()):.1f} to "
              f"{best:.1f} over all {len(_RULES)}, {list(rights.values()).count(best)} of them best")


if __name__ == "__main__":
    command_line.run(main)
