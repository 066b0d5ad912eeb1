"""Shards of a few tiny images whose classes differ in colour, for the tests of training."""

import os

import cv2
import numpy as np

from data_prep import manifest, shards
from data_prep.example import encode_example

NUM_CLASSES = 4
IMAGE_SIZE = 32  # pixels


def write_tiny_shards(directory: str, num_classes: int = NUM_CLASSES) -> None:
    """Writes shards (train: 6 images a class; validation: 2; heldout: 3 other classes of 4), dataset.json."""
    generator = np.random.default_rng(0)
    parts = {"train": (0, num_classes, 6), "validation": (0, num_classes, 2),
             "heldout": (num_classes, num_classes + 3, 4)}
    splits = {}
    for split, (low, high, images_per_class) in parts.items():
        examples = [_example(generator, split, label, number)
                    for number in range(images_per_class) for label in range(low, high)]
        names = [os.path.join(directory, shards.shard_name(split, part, 2)) for part in range(2)]
        written = [shards.write_shard(name, examples[part::2]) for part, name in enumerate(names)]
        splits[split] = manifest.Split(len(examples), high - low, (low, high), tuple(written))
    labels = tuple(range(num_classes + 3))
    manifest.save_manifest(manifest.Manifest("", "tiny", 0, num_classes, labels, splits), directory)


def _example(generator, split, label, number):
    side = IMAGE_SIZE + 8
    pattern = np.random.default_rng(label).integers(0, 255, (5, 5, 3)).astype(np.float32)
    image = cv2.resize(pattern, (side, side)) + generator.normal(0, 10, (side, side, 3))
    encoded = cv2.imencode(".jpg", np.uint8(np.clip(image, 0, 255)))[1].tobytes()
    return encode_example(encoded, f"{split}_{label}_{number}", "JPEG", side, side, label)
