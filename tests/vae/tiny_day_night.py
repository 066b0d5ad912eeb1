"""Shards of a few tiny images by day and by night, for the tests of the VAE."""

import os

import cv2
import numpy as np

from data_prep import manifest, shards
from data_prep.example import encode_example

IMAGE_SIZE = 32  # pixels
PLACES = {"train": 6, "validation": 4}
VIEWS = 2  # of each place, by day and by night


def write_shards(directory: str) -> None:
    """Writes two shards of each split, PLACES x VIEWS pairs, and dataset.json.

    By night an image has a quarter of its brightness.
    """
    splits, first = {}, 0
    for split, num_places in PLACES.items():
        examples = [example(place, view, domain) for place in range(first, first + num_places)
                    for view in range(VIEWS) for domain in ("day", "night")]
        names = [os.path.join(directory, shards.shard_name(split, part, 2)) for part in range(2)]
        half = len(examples) // 2
        written = [shards.write_shard(name, examples[part * half:(part + 1) * half])
                   for part, name in enumerate(names)]
        splits[split] = manifest.Split(len(examples), num_places, (first, first + num_places), tuple(written))
        first += num_places
    manifest.save_manifest(manifest.Manifest("", "tiny", 0, first, tuple(range(first)), splits), directory)


def picture(place: int, view: int, domain: str) -> np.ndarray:
    """uint8 [IMAGE_SIZE, IMAGE_SIZE, 3]."""
    pattern = np.random.default_rng(place).uniform(0, 255, (5, 5, 3)).astype(np.float32)
    image = cv2.resize(pattern, (IMAGE_SIZE + 2, IMAGE_SIZE + 2))[view:view + IMAGE_SIZE, :IMAGE_SIZE]
    return np.uint8(np.clip(image, 0, 255) * (0.25 if domain == "night" else 1.0))


def example(place: int, view: int, domain: str) -> bytes:
    """A serialized example; its label is the place, its pair place and view."""
    encoded = cv2.imencode(".png", picture(place, view, domain)[..., ::-1])[1].tobytes()
    return encode_example(encoded, f"{place}_{view}_{domain}", "PNG", IMAGE_SIZE, IMAGE_SIZE, place,
                          domain=domain, pair=f"{place}/{view}")
