"""A model whose features can be worked out by hand, and shards of small images, for tests of extraction."""

import os

import cv2
import keras
import numpy as np
import tensorflow as tf

from data_prep import shards
from data_prep.example import encode_example
from data_prep.manifest import Manifest, Split, save_manifest
from delg import layers

RECEPTIVE_FIELD = (4, 4, 0)  # a cell sees a block of 4 x 4 pixels


@keras.saving.register_keras_serializable(package="tests")
class Counter(keras.layers.Layer):
    """Identity that counts how often it ran."""

    def build(self, input_shape):
        self.count = self.add_weight(name="count", shape=(), dtype=tf.int32, initializer="zeros",
                                     trainable=False)
        self.built = True

    def call(self, inputs):
        self.count.assign_add(1)
        return tf.identity(inputs)


def tiny_model(counted=False):
    """A cell's descriptor is its mean colour, its score the red of it; global is the maximum over cells."""
    images = keras.Input((None, None, 3), name="images")
    cells = keras.layers.AveragePooling2D(4)(images)
    local_cells = Counter(name="local_counter")(cells) if counted else cells
    global_cells = Counter(name="global_counter")(cells) if counted else cells
    return keras.Model(images, {
        "global_descriptor": layers.L2Normalization()(keras.layers.GlobalMaxPooling2D()(global_cells)),
        "attention_scores": local_cells[..., :1],
        "local_descriptors": local_cells})


def block_image(height, width, rows, columns, colour=(200, 0, 0)):
    """Black image with a block of one colour; rows and columns are (first, one past the last)."""
    image = np.zeros((height, width, 3), np.uint8)
    image[slice(*rows), slice(*columns)] = colour
    return image


def as_png(image):
    return cv2.imencode(".png", image[..., ::-1])[1].tobytes()


def write_records(folder, images, num_shards=1, split="index", boxes=None):
    """Writes {id: encoded} as shards with dataset.json; returns the pattern that finds them."""
    os.makedirs(folder, exist_ok=True)
    boxes = boxes or {}
    ids = list(images)
    described = []
    for number in range(num_shards):
        examples = [encode_example(images[name], name, "PNG", 1, 1, query_bbox=boxes.get(name))
                    for name in ids[number::num_shards]]
        path = os.path.join(folder, shards.shard_name(split, number, num_shards))
        described.append(shards.write_shard(path, examples))
    save_manifest(Manifest("", "tiny", 0, 0, (), {split: Split(len(ids), 0, None, tuple(described))}), folder)
    return os.path.join(folder, f"{split}-*")
