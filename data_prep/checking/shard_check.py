"""Checks one shard against what dataset.json says of it, in one pass over the file."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import os
from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from google.protobuf import message

from data_prep.images import image_headers
from data_prep.records import example, record_file
from data_prep.records.manifest import Shard

_MAX_LISTED = 200  # problems of one kind that a shard lists; the others are counted
_KINDS_OF_FEATURE = {example.ENCODED: "bytes_list", example.ID: "bytes_list", example.FORMAT: "bytes_list",
                     example.HEIGHT: "int64_list", example.WIDTH: "int64_list", example.LABEL: "int64_list",
                     example.QUERY_BBOX: "float_list", example.DOMAIN: "bytes_list",
                     example.PAIR: "bytes_list"}
_REQUIRED = (example.ENCODED, example.ID, example.FORMAT, example.HEIGHT, example.WIDTH)

DAMAGED_IMAGE = "damaged image"


class Problem(NamedTuple):
    """One thing that is wrong."""

    kind: str  # a few words, the same for all problems of the kind
    text: str
    file: str = ""  # shard; empty: dataset.json or the folder
    record: int = -1  # from 0; -1: the whole shard
    offset: int = -1  # of the record, bytes
    image_id: str = ""

    def __str__(self) -> str:
        where = self.file
        if self.record >= 0:
            where += f" record {self.record} at byte {self.offset}"
        if self.image_id:
            where = f"{where} ({self.image_id})".lstrip()
        return f"{where}: {self.text}" if where else self.text


@dataclasses.dataclass(frozen=True)
class Expected:
    """What a shard is to be like."""

    shard: Shard
    label_range: tuple[int, int] | None
    needs_bbox: bool  # each of its images
    max_pixels: int
    decode: bool  # whether to decode the images, or to look at their headers only


class ShardContent(NamedTuple):
    """What a shard was found to hold."""

    num_records: int
    num_bytes: int
    problems: list[Problem]
    counts: dict[str, int]  # problems of each kind, listed or not
    id_hashes: np.ndarray  # uint64 [num_records]; 0: not readable
    labels: np.ndarray  # int64 [number of classes], distinct


def hash_ids(ids: Iterable[bytes]) -> np.ndarray:
    """An 8-byte hash of each id: uint64 [number of ids], never 0."""
    digests = b"".join(hashlib.blake2b(image_id, digest_size=8).digest() for image_id in ids)
    return np.maximum(np.frombuffer(digests, "<u8"), np.uint64(1))


def check_shard(folder: str, expected: dict[str, Expected], file: str) -> dict[str, Any]:
    """What is in a shard and what is wrong with it, as JSON can hold it; `read_content` reads it.

    Args:
        folder: of the dataset.
        expected: what each shard is to be like, by file name.
        file: name of the shard to check.
    """
    findings = _Findings(file)
    try:
        _check_file(os.path.join(folder, file), expected[file], findings)
    except FileNotFoundError:
        findings.add("missing shard", "the file does not exist")
    except OSError as error:
        findings.add("unreadable shard", f"reading it fails: {error.strerror or error}")
    hashes = np.zeros(findings.num_records, "<u8")
    hashes[findings.rows] = hash_ids(findings.ids)
    return {"num_records": findings.num_records, "num_bytes": findings.num_bytes,
            "problems": [list(problem) for problem in findings.problems], "counts": dict(findings.counts),
            "id_hashes": base64.b64encode(hashes.tobytes()).decode(),
            "labels": base64.b64encode(np.array(sorted(findings.labels), "<i8").tobytes()).decode()}


def read_content(result: dict[str, Any]) -> ShardContent:
    """What `check_shard` found, from the form that JSON can hold."""
    return ShardContent(result["num_records"], result["num_bytes"],
                        [Problem(*fields) for fields in result["problems"]], result["counts"],
                        np.frombuffer(base64.b64decode(result["id_hashes"]), "<u8"),
                        np.frombuffer(base64.b64decode(result["labels"]), "<i8"))


class _Findings:
    """What is known of a shard so far."""

    def __init__(self, file: str):
        self.file = file
        self.num_records = self.num_bytes = 0
        self.problems: list[Problem] = []
        self.counts: Counter[str] = Counter()
        self.rows: list[int] = []  # records with an id
        self.ids: list[bytes] = []
        self.labels: set[int] = set()
        self.pairs: set[bytes] = set()
        self.last_pair = b""  # of the record before

    def add(self, kind: str, text: str, record: record_file.Record | None = None, image_id: str = "") -> None:
        self.counts[kind] += 1
        if self.counts[kind] <= _MAX_LISTED:
            where = (record.number, record.offset) if record else (-1, -1)
            self.problems.append(Problem(kind, text, self.file, *where, image_id))


def _check_file(path: str, expected: Expected, findings: _Findings) -> None:
    shard = expected.shard
    digest = hashlib.sha256()
    findings.num_bytes = os.path.getsize(path)
    is_framed = True
    for record in record_file.read_records(path, digest):
        findings.num_records += 1
        if record.data is None:
            is_framed = False
            findings.add("damaged record", record.problem, record)
        else:
            _check_record(record, expected, findings)
    if findings.num_bytes != shard.num_bytes:
        findings.add("wrong size", f"{findings.num_bytes} bytes, {shard.num_bytes} in dataset.json")
    elif digest.hexdigest() != shard.sha256:
        findings.add("wrong SHA-256", f"{digest.hexdigest()}, {shard.sha256} in dataset.json")
    if is_framed and findings.num_records != shard.num_examples:
        findings.add("wrong count", f"{findings.num_records} records, {shard.num_examples} in dataset.json")


def _check_record(record: record_file.Record, expected: Expected, findings: _Findings) -> None:
    try:
        features = _read_features(record.data)
    except ValueError as error:
        findings.add("not an example", str(error), record)
        return
    image_id = features[example.ID][0]
    findings.rows.append(record.number)
    findings.ids.append(image_id)
    name = image_id.decode("utf-8", "backslashreplace")

    def add(kind: str, text: str) -> None:
        findings.add(kind, text, record, name)

    if not image_id or b"\0" in image_id or name.encode() != image_id:
        add("bad id", f"an id must be text in UTF-8, is {image_id[:40]!r}")
    label = features.get(example.LABEL, [example.NO_LABEL])[0]
    findings.labels.add(label)
    low, high = expected.label_range or (example.NO_LABEL, example.NO_LABEL + 1)
    if not low <= label < high:
        wanted = f"in [{low}, {high})" if expected.label_range else "absent, as dataset.json has no range"
        add("bad label", f"label {label} must be {wanted}")
    pair = features.get(example.PAIR, [b""])[0]
    if pair and pair != findings.last_pair:
        if pair in findings.pairs:
            add("split pair", "it must stand next to the others of its pair, "
                              f"{pair.decode(errors='replace')!r}")
        findings.pairs.add(pair)
    findings.last_pair = pair
    size = features[example.HEIGHT][0], features[example.WIDTH][0]
    box = features.get(example.QUERY_BBOX)
    if box is not None and list(box) != list(example.NO_BBOX):
        x1, y1, x2, y2 = box
        if not (0 <= x1 < x2 <= size[1] and 0 <= y1 < y2 <= size[0]):
            add("bad box", f"box {[round(value, 2) for value in box]} (x1, y1, x2, y2) must lie in the image "
                           f"of {size[1]} x {size[0]} pixels")
    elif expected.needs_bbox:
        add("bad box", "a query must have a box, as it does in the ground truth")
    _check_image(features[example.ENCODED][0], features[example.FORMAT][0], size, expected, add)


def _check_image(encoded: bytes, image_format: bytes, size: tuple[int, int], expected: Expected,
                 add: Any) -> None:
    try:
        header = image_headers.check_image(encoded, expected.max_pixels)
    except ValueError as error:
        add(DAMAGED_IMAGE, str(error))
        return
    if image_format != header.format.encode():
        stated = image_format[:20].decode(errors="replace")
        add("wrong format", f"format {stated!r}, the image is a {header.format}")
    if header.format not in example.FORMATS:
        add("wrong format", f"readers take {', '.join(example.FORMATS)}, the image is a {header.format}")
        return
    height, width = header.height, header.width
    if expected.decode:
        try:
            height, width, _ = tf.io.decode_jpeg(encoded, channels=3).shape  # the reader's own; PNG as well
        except tf.errors.OpError:
            add(DAMAGED_IMAGE, f"damaged {header.format}: does not decode")
            return
    if size != (height, width):
        add("wrong image size", f"{size[1]} x {size[0]} pixels, the image has {width} x {height}")


def _read_features(serialized: bytes) -> dict[str, Any]:
    """Values of each feature that the reader reads.

    Raises:
        ValueError: with the reason, if the reader could not read the example.
    """
    stored = tf.train.Example()
    try:
        stored.ParseFromString(serialized)
    except message.DecodeError:
        raise ValueError("the record holds no tf.train.Example") from None
    features = {}
    for key, kind in _KINDS_OF_FEATURE.items():
        if key not in stored.features.feature:
            continue
        feature = stored.features.feature[key]
        values = getattr(feature, kind).value
        wanted = 4 if key == example.QUERY_BBOX else 1
        if len(values) != wanted:
            raise ValueError(f"{key} must be a {kind} of {wanted}, is a {feature.WhichOneof('kind')} of "
                             f"{len(getattr(feature, feature.WhichOneof('kind') or kind).value)}")
        features[key] = values
    for key in _REQUIRED:
        if key not in features:
            raise ValueError(f"{key} is missing")
    return features
