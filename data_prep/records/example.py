"""The TFRecord example that every shard is made of: its keys, and how to write and read one.

The keys and their spelling are those of the reference implementation of DELG, so that shards of either
serve the other; `image/query/bbox`, `image/domain`, `image/pair` and `image/orientation` are ours.
`image/encoded` holds a JPEG or PNG file of any number of channels, as it was found where possible; whoever
decodes it asks for three.
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
ORIENTATION = "image/orientation"

_FIRST_FIELD, _SECOND_FIELD = b"\x0a", b"\x12"  # tags of the fields 1 and 2, length-delimited

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
    ORIENTATION: tf.io.FixedLenFeature([], tf.int64, 1),
}


def encode_example(encoded: bytes, image_id: str, image_format: str, height: int, width: int,
                   label: int | None = None, query_bbox: Sequence[float] | None = None,
                   domain: str | None = None, pair: str | None = None, orientation: int = 1) -> bytes:
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
        orientation: of EXIF, of the file that the image was turned from; 1: it was not turned.
    """
    if image_format not in FORMATS:
        raise ValueError(f"`image_format` must be one of {', '.join(FORMATS)}. "
                         f"Received: image_format={image_format!r} for image {image_id!r}.")
    example = tf.train.Example()
    feature = example.features.feature
    for key, value in ((HEIGHT, height), (WIDTH, width), (CHANNELS, 3), (LABEL, label),
                       (ORIENTATION, orientation if orientation != 1 else None)):
        if value is not None:
            feature[key].int64_list.value.append(value)
    for key, text in ((COLORSPACE, "RGB"), (FORMAT, image_format), (ID, image_id), (DOMAIN, domain),
                      (PAIR, pair)):
        if text is not None:
            feature[key].bytes_list.value.append(text.encode())
    if query_bbox is not None:
        feature[QUERY_BBOX].float_list.value.extend(query_bbox)
    return example.SerializeToString(deterministic=True) + _encoded_field(encoded)


def _encoded_field(encoded: bytes) -> bytes:
    """An Example with the one feature ENCODED, serialized by hand.

    Serialized messages that follow each other are one message, their maps joined; so the large field never
    passes through the message classes, which would copy it four times (60 of 100 microseconds an image).
    Source: https://protobuf.dev/programming-guides/encoding (last one wins, length-delimited records).
    """
    key = _field(_FIRST_FIELD, ENCODED.encode())
    heads = b""
    # From the inside: BytesList.value, Feature.bytes_list, the entry's value, Features.feature, and the rest.
    for tag, before in ((_FIRST_FIELD, b""), (_FIRST_FIELD, b""), (_SECOND_FIELD, key), (_FIRST_FIELD, b""),
                        (_FIRST_FIELD, b"")):
        heads = before + tag + _varint(len(heads) + len(encoded)) + heads
    return heads + encoded


def _field(tag: bytes, value: bytes) -> bytes:
    return tag + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value >= 0x80:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def parse_example(serialized: tf.Tensor) -> dict[str, tf.Tensor]:
    """The fields of a serialized example, string [], as tensors; of n, string [n], with n in front.

    Returns:
        `encoded` string [], `id` string [], `label` int64 [] (-1: none), `height` and `width` int64 [] in
        pixels, `query_bbox` float32 [4] as x1, y1, x2, y2 in pixels (all -1: none), `domain` and `pair`
        string [] (empty: none), `orientation` int64 [] of EXIF, of the file (1: it was not turned).
    """
    fields = tf.io.parse_example(serialized, _FEATURES)
    return {"encoded": fields[ENCODED], "id": fields[ID], "label": fields[LABEL], "height": fields[HEIGHT],
            "width": fields[WIDTH], "query_bbox": fields[QUERY_BBOX], "domain": fields[DOMAIN],
            "pair": fields[PAIR], "orientation": fields[ORIENTATION]}
