"""The TFRecord example that every shard is made of: its keys, and how to write and read one.

The keys and their spelling are those of the reference implementation of DELG, so that shards of either
serve the other; `image/query/bbox`, `image/domain` and `image/pair` are ours. `image/encoded` holds a JPEG
or PNG file of any number of channels, as it was found where possible; whoever decodes it asks for three.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

HEIGHT = "image/height"
WIDTH = "image/width"
COLORSPACE = "image/colorspace"
CHANNELS = "image/channels"
FORMAT = "image/format"
ID = "image/id"
ENCODED = "image/encoded"
LABEL = "image/class/label"
QUERY_BBOX = "image/query/bbox"
DOMAIN = "image/domain"
PAIR = "image/pair"

FORMATS = ("JPEG", "PNG")
NO_LABEL = -1
NO_BBOX = (-1.0, -1.0, -1.0, -1.0)

_FEATURES = {
    ENCODED: tf.io.FixedLenFeature([], tf.string),
    ID: tf.io.FixedLenFeature([], tf.string, ""),
    LABEL: tf.io.FixedLenFeature([], tf.int64, NO_LABEL),
    HEIGHT: tf.io.FixedLenFeature([], tf.int64, 0),
    WIDTH: tf.io.FixedLenFeature([], tf.int64, 0),
    QUERY_BBOX: tf.io.FixedLenFeature([4], tf.float32, NO_BBOX),
    DOMAIN: tf.io.FixedLenFeature([], tf.string, ""),
    PAIR: tf.io.FixedLenFeature([], tf.string, ""),
}


def encode_example(encoded: bytes, image_id: str, image_format: str, height: int, width: int,
                   label: int | None = None, query_bbox: Sequence[float] | None = None,
                   domain: str | None = None, pair: str | None = None) -> bytes:
    """One image as a serialized tf.train.Example; equal arguments give equal bytes.

    Args:
        encoded: the image file, as found.
        image_id: unique within its split.
        image_format: "JPEG" or "PNG".
        height, width: pixels.
        label: class, from 0; None for none.
        query_bbox: x1, y1, x2, y2 in pixels; None for none.
        domain: such as "day" or "night"; None for none.
        pair: equal for the two images of a pair, which lie next to each other; None for none.
    """
    if image_format not in FORMATS:
        raise ValueError(f"`image_format` must be one of {', '.join(FORMATS)}. "
                         f"Received: image_format={image_format!r} for image {image_id!r}.")
    features = {
        HEIGHT: _int64(height), WIDTH: _int64(width), COLORSPACE: _bytes(b"RGB"), CHANNELS: _int64(3),
        FORMAT: _bytes(image_format.encode()), ID: _bytes(image_id.encode()), ENCODED: _bytes(encoded),
    }
    if label is not None:
        features[LABEL] = _int64(label)
    if query_bbox is not None:
        features[QUERY_BBOX] = tf.train.Feature(float_list=tf.train.FloatList(value=query_bbox))
    if domain is not None:
        features[DOMAIN] = _bytes(domain.encode())
    if pair is not None:
        features[PAIR] = _bytes(pair.encode())
    example = tf.train.Example(features=tf.train.Features(feature=features))
    return example.SerializeToString(deterministic=True)


def parse_example(serialized: tf.Tensor) -> dict[str, tf.Tensor]:
    """The fields of one serialized example, as tensors.

    Returns:
        `encoded` string [], `id` string [], `label` int64 [] (-1: none), `height` and `width` int64 [] in
        pixels, `query_bbox` float32 [4] as x1, y1, x2, y2 in pixels (all -1: none), `domain` and `pair`
        string [] (empty: none).
    """
    fields = tf.io.parse_single_example(serialized, _FEATURES)
    return {"encoded": fields[ENCODED], "id": fields[ID], "label": fields[LABEL], "height": fields[HEIGHT],
            "width": fields[WIDTH], "query_bbox": fields[QUERY_BBOX], "domain": fields[DOMAIN],
            "pair": fields[PAIR]}


def _int64(value: int) -> tf.train.Feature:
    return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))


def _bytes(value: bytes) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
