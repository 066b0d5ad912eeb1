"""Tiny shards of places by day and by night, for tests: a place is a pattern, night its darker picture."""

import os

import cv2
import numpy as np

from data_prep import building
from data_prep.build_config import BuildConfig
from data_prep.jobs import JobConfig


def write_photographs(folder, num_places=4, views=2, size=24):
    """day/, night/ and places.csv; views of a place are shifted, pairs have equal frames."""
    rng = np.random.default_rng(5)
    rows = ["file,domain,place,frame"]
    for place in range(num_places):
        pattern = cv2.resize(rng.integers(60, 255, (4, 4, 3), dtype=np.uint8), (size, size))
        for view in range(views):
            for domain, factor in (("day", 1.0), ("night", 0.3)):
                name = f"{domain}/{place}_{view}.png"
                os.makedirs(os.path.join(folder, domain), exist_ok=True)
                image = np.roll(pattern, view, axis=1) * factor + rng.normal(0, 3, pattern.shape)
                cv2.imwrite(os.path.join(folder, name), np.clip(image, 0, 255).astype(np.uint8))
                rows.append(f"{name},{domain},place{place},{view}")
    with open(os.path.join(folder, "places.csv"), "w", encoding="utf-8") as file:
        file.write("\n".join(rows) + "\n")


def build_shards(folder, test_fraction=0.5, **photographs):
    """Writes photographs and their shards below `folder`; returns the globs of train and test."""
    images, shards = os.path.join(folder, "images"), os.path.join(folder, "shards")
    write_photographs(images, **photographs)
    building.build(BuildConfig("day_night", images, shards, num_shards=1, validation_fraction=0.0,
                               test_fraction=test_fraction), JobConfig(num_workers=1))
    return os.path.join(shards, "train-*"), os.path.join(shards, "test-*")
