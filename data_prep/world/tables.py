"""The tables of a world, from what is known of each of its images."""

from __future__ import annotations

import os

import numpy as np
import pandas as pd

from data_prep.stage import files
from data_prep.world.landmark_ground_truth import JUNK_PIXEL_SHARE, JUNK_VISIBLE_FRACTION, View, grade

_CENTRE = (48.2, 16.37)  # degrees; the middle of the city
_BLOCK = 0.0018  # degrees of latitude between streets, about 200 m


def write_tables(output_dir: str, seed: int, num_landmarks: int, num_eval_landmarks: int,
                 train_images: list[dict], eval_images: list[dict]) -> None:
    """Writes train.csv, train_clean.csv, train_views.csv, landmark_locations.csv and the files of eval/.

    Landmark ids count the training landmarks from 0 and go on with the evaluation landmarks.

    Args:
        output_dir: of the world.
        seed: of the world; places the landmarks on the map.
        num_landmarks, num_eval_landmarks: how many there are.
        train_images, eval_images: per image `name`, `landmark` (number within its split, -1 for none),
            `is_query`, `view` (fields of View, or None) and `homographies` (panel name to 3x3 list).
    """
    if num_landmarks:
        train = pd.DataFrame([_view_row(image, 0) for image in train_images])
        ids = pd.DataFrame({"id": train["image"], "url": "", "landmark_id": train["landmark"]})
        _write_csv(ids.sort_values("id"), os.path.join(output_dir, "train.csv"))
        seen = train[(train["visible_fraction"] >= JUNK_VISIBLE_FRACTION)
                     & (train["pixel_share"] >= JUNK_PIXEL_SHARE)]
        clean = seen.groupby("landmark")["image"].apply(lambda names: " ".join(sorted(names)))
        _write_csv(clean.rename("images").rename_axis("landmark_id").reset_index(),
                   os.path.join(output_dir, "train_clean.csv"))
        _write_csv(train, os.path.join(output_dir, "train_views.csv"))
    _write_csv(landmark_locations(num_landmarks + num_eval_landmarks, seed),
               os.path.join(output_dir, "landmark_locations.csv"))
    if num_eval_landmarks:
        _write_eval(os.path.join(output_dir, "eval"), num_landmarks, eval_images)


def _write_eval(folder: str, first_id: int, images: list[dict]) -> None:
    images = sorted(images, key=lambda image: image["name"])
    queries = [image for image in images if image["is_query"]]
    index = [image for image in images if not image["is_query"]]
    files.write_json(os.path.join(folder, "gnd.json"), ground_truth(queries, index))
    files.write_json(os.path.join(folder, "landmarks.json"), {"image_landmark": {
        image["name"]: first_id + image["landmark"] if image["landmark"] >= 0 else None for image in images}})
    files.write_json(os.path.join(folder, "homographies.json"),
                           {image["name"]: image["homographies"] for image in images})
    rows = [{**_view_row(image, first_id), "split": "query" if image["is_query"] else "index"}
            for image in images]
    _write_csv(pd.DataFrame(rows).astype({"landmark": "Int64"}), os.path.join(folder, "views.csv"))


def ground_truth(queries: list[dict], index: list[dict]) -> dict:
    """The revisited form: `imlist`, `qimlist` per query `bbx` and `easy`, `hard`, `junk` (rows of imlist)."""
    entries = []
    for query in queries:
        view = View(**query["view"])
        rows: dict[str, list[int]] = {"easy": [], "hard": [], "junk": []}
        for row, image in enumerate(index):
            if image["landmark"] >= 0 and image["landmark"] == query["landmark"]:
                rows[grade(view, View(**image["view"]))].append(row)
        entries.append({"bbx": list(view.box), **rows})
    return {"imlist": [image["name"] for image in index], "qimlist": [image["name"] for image in queries],
            "gnd": entries}


def landmark_locations(count: int, seed: int) -> pd.DataFrame:
    """Columns landmark_id, latitude, longitude (degrees): a crossing of a city grid for each."""
    side = int(np.ceil(np.sqrt(2 * count))) + 1
    crossings = np.random.default_rng([seed, count]).permutation(side * side)[:count]
    north, east = crossings // side - side // 2, crossings % side - side // 2
    latitude = _CENTRE[0] + _BLOCK * north
    longitude = _CENTRE[1] + _BLOCK * east / np.cos(np.radians(_CENTRE[0]))
    return pd.DataFrame({"landmark_id": np.arange(count), "latitude": latitude.round(6),
                         "longitude": longitude.round(6)})


def _view_row(image: dict, first_id: int) -> dict:
    view = image["view"] or {}
    return {"image": image["name"],
            "landmark": first_id + image["landmark"] if image["landmark"] >= 0 else None,
            "light": view.get("light"), "view_angle": view.get("azimuth"),
            "visible_fraction": view.get("visible_fraction"), "pixel_share": view.get("pixel_share"),
            "distance": view.get("distance")}


def _write_csv(table: pd.DataFrame, path: str) -> None:
    with files.replacing(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6g" if "distance" in table else None)
