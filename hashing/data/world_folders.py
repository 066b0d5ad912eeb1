"""Folders of the procedural world: its landmarks, a folder per class."""

from __future__ import annotations

import os

import pandas as pd

from data_prep.world.config import WorldConfig
from data_prep.world.landmark_world import make_world


def write_class_folders(config: WorldConfig, images_dir: str) -> None:
    """Makes a world and links each of its training images as images_dir/<landmark>/<id>.jpg."""
    make_world(config)
    table = pd.read_csv(os.path.join(config.output_dir, "train.csv"), dtype=str)
    for image_id, landmark in zip(table["id"], table["landmark_id"]):
        source = os.path.join(config.output_dir, "train", *image_id[:3], f"{image_id}.jpg")
        target = os.path.join(images_dir, f"landmark_{landmark}", f"{image_id}.jpg")
        if os.path.exists(source) and not os.path.exists(target):
            os.makedirs(os.path.dirname(target), exist_ok=True)
            os.link(source, target)
