"""The fields of an example without its image: what a look at a million of them can afford to read.

A tf.train.Example is a message of entries, each with its length before it, so that the entry of the image can
be stepped over in the file.
"""

from __future__ import annotations

import tensorflow as tf
from google.protobuf import message

from data_prep.records import example
from data_prep.stage.byte_ranges import RangeFile, RemoteFile

_WINDOW = 2048  # bytes read at a time; an image's other fields take about 300
_ENTRY_TAG = 0x0A  # field 1, a message: of Example its features, of Features an entry, of an entry its key
_IMAGE_KEY = bytes([_ENTRY_TAG, len(example.ENCODED)]) + example.ENCODED.encode()
_LONGEST_HEAD = 16 + len(_IMAGE_KEY)  # tag, length and key of an entry


def read_light_features(file: RangeFile | RemoteFile, start: int, length: int) -> tf.train.Features:
    """The features of an example but for `image/encoded`.

    Args:
        file: of records.
        start: offset of the record's data, bytes.
        length: of the data, bytes.

    Raises:
        ValueError: if there is no example; it names the file.
    """
    end = start + length
    window, window_start = file.read(start, min(length, _WINDOW)), start

    def read(position: int, size: int) -> bytes:
        nonlocal window, window_start
        size = min(size, end - position)
        if position + size > window_start + len(window):
            window_start = position
            window = file.read(position, max(size, min(_WINDOW, end - position)))
        return window[position - window_start:position - window_start + size]

    entries = []
    position = part_end = start
    while position < end:
        head = read(position, _LONGEST_HEAD)
        size, head_size = _read_head(head, file.path)
        if position == part_end:  # an example may come in parts, each with some of the entries
            position, part_end = position + head_size, position + head_size + size
            continue
        if not head.startswith(_IMAGE_KEY, head_size):
            entries.append(read(position, head_size + size))
        position += head_size + size
    try:
        return tf.train.Features.FromString(b"".join(entries))
    except message.DecodeError as error:
        raise ValueError(f"A record of {file.path} must be a serialized example. "
                         "Received: bytes that do not parse.") from error


def _read_head(head: bytes, path: str) -> tuple[int, int]:
    """Size of the message that follows a tag and a length, and how many bytes these two take."""
    size = 0
    if head[:1] == bytes([_ENTRY_TAG]):
        for place, byte in enumerate(head[1:11]):
            size |= (byte & 0x7F) << 7 * place
            if byte < 0x80:
                return size, place + 2
    raise ValueError(f"A record of {path} must be a serialized example. "
                     "Received: one that starts differently.")
