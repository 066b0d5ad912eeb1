"""Builds one shard from its piece of the plan; what a worker of a build does.

Beside the shards lies the folder .build/: <shard>.plan.json is the piece, <shard>.json what came of it and a
digest of all that decides the shard's bytes. A shard whose digest and SHA-256 still hold stays as it is.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import stat
from collections.abc import Iterator
from typing import Any

from data_prep.building.config import BuildConfig
from data_prep.images.intake import NO_HEIC_READER, TakenImage, check_file_size, reads_heic, take_image
from data_prep.records import shards
from data_prep.records.example import encode_example
from data_prep.records.manifest import FILE_NAME, Shard
from data_prep.sources.formats.image_names import printable
from data_prep.sources.revisited import check_box
from data_prep.stage import files, jobs

RECORDS_DIR = ".build"
RESULTS_DIR = os.path.join(RECORDS_DIR, "results")
SUSPECTS_NAME = "suspects.json"  # paths of images that are to be decoded before they are taken
_IMAGES_BETWEEN_LOOKS = 4  # whether the job is to stop
_VERSION = 3  # of what an image becomes in a shard; raise it to have old shards built again


def plan_path(output_dir: str, name: str) -> str:
    """Path of the piece of the plan for a shard."""
    return os.path.join(output_dir, RECORDS_DIR, f"{name}.plan.json")


def record_path(output_dir: str, name: str) -> str:
    """Path of what came of a shard."""
    return os.path.join(output_dir, RECORDS_DIR, f"{name}.json")


def bring_up_to_date(config: BuildConfig, num_images: int, name: str) -> dict[str, Any]:
    """Builds a shard, unless it is there and neither it nor its images have changed since it was built.

    Args:
        config: of the build.
        num_images: of the whole build, a share of which may be bad.
        name: of the shard.

    Returns:
        {"shard": fields of `Shard`, "left_out": [{"id", "image", "reason", "label"}, ...]}

    Raises:
        ValueError: if more than that share is bad in this shard alone, or the box of a query lies outside
            its image.
        OSError: if the shard cannot be written.
    """
    with open(plan_path(config.output_dir, name), "rb") as file:
        piece = file.read()
    rows = json.loads(piece)["rows"]
    suspects = read_suspects(config.output_dir)
    states = [_look_at(config, row) for row in rows]
    digest = hashlib.sha256(json.dumps([_VERSION, name, config.max_pixels, config.turns_upright,
                                        config.decode_check, states,
                                        [row["path"] for row in rows if row["path"] in suspects]]).encode())
    digest.update(piece)
    found = _find_record(config.output_dir, name, digest.hexdigest())
    if found is not None:
        return found
    with contextlib.suppress(FileNotFoundError):  # it no longer describes what is there
        os.remove(os.path.join(config.output_dir, FILE_NAME))
    left_out: list[dict[str, Any]] = []
    examples = _examples(config, rows, states, suspects, left_out, num_images)
    shard = shards.write_shard(os.path.join(config.output_dir, name), examples)
    record = {"digest": digest.hexdigest(), "shard": dataclasses.asdict(shard), "left_out": left_out}
    files.write_json(record_path(config.output_dir, name), record)
    return record


def read_suspects(output_dir: str) -> set[str]:
    """Paths of the images that an earlier look found damaged, though their headers are in order."""
    try:
        with open(os.path.join(output_dir, RECORDS_DIR, SUSPECTS_NAME), encoding="utf-8") as file:
            return set(json.load(file))
    except FileNotFoundError:
        return set()


def check_bad(left_out: list[dict[str, Any]], config: BuildConfig, num_images: int) -> None:
    """Raises ValueError if too large a share of a build's images has been left out."""
    if len(left_out) > config.max_bad_fraction * num_images:
        examples = "; ".join(f"{printable(entry['image'])}: {entry['reason']}" for entry in left_out[:3])
        raise ValueError(f"At most {config.max_bad_fraction:g} of the {num_images} images may be bad "
                         f"(`max_bad_fraction`). Received: {len(left_out)} bad ones so far, such as "
                         f"{examples}.")


def _find_record(output_dir: str, name: str, digest: str) -> dict[str, Any] | None:
    """What an earlier run made of this shard, if it is whole and nothing has changed since."""
    try:
        with open(record_path(output_dir, name), encoding="utf-8") as file:
            record = json.load(file)
        if record["digest"] != digest or reads_heic() and any(
                entry["reason"] == NO_HEIC_READER for entry in record["left_out"]):
            return None
        shards.check_shard(os.path.join(output_dir, name), Shard(**record["shard"]))
        return record
    except (OSError, ValueError, KeyError, TypeError):
        return None  # absent, damaged, or of another version: build it


def _examples(config: BuildConfig, rows: list[dict[str, Any]], states: list[list], suspects: set[str],
              left_out: list[dict[str, Any]], num_images: int) -> Iterator[bytes]:
    results_dir = os.path.join(config.output_dir, RESULTS_DIR)
    for number, (row, (size, _, problem)) in enumerate(zip(rows, states)):
        if number % _IMAGES_BETWEEN_LOOKS == 0:
            jobs.check_not_stopped(results_dir)
        try:
            if problem:
                raise ValueError(problem)
            image = take_image(_read(config, row, size), config.max_pixels, config.turns_upright,
                               config.decode_check or row["path"] in suspects)
        except (ValueError, OSError) as error:
            left_out.append({"id": row["id"], "image": row["path"], "reason": _reason(error),
                             "label": row.get("label")})
            check_bad(left_out, config, num_images)
            continue
        yield _encode(row, image)


def _encode(row: dict[str, Any], image: TakenImage) -> bytes:
    bbox = row.get("bbox")
    if bbox is not None:
        bbox = check_box(bbox, image.width, image.height, row["id"])
    return encode_example(image.encoded, row["id"], image.format, image.height, image.width,
                          label=row.get("label"), query_bbox=bbox, domain=row.get("domain"),
                          pair=row.get("pair"), orientation=image.orientation)


def _look_at(config: BuildConfig, row: dict[str, Any]) -> list:
    """Size in bytes, time of change, and what is wrong with the file (or empty)."""
    if row.get("tar") == "":
        return [0, 0, "missing"]
    path = row["tar"] if "tar" in row else os.path.join(config.images_dir, row["path"])
    try:
        found = os.stat(path)
    except OSError as error:
        return [0, 0, "missing" if isinstance(error, FileNotFoundError) else str(error.strerror)]
    size = row.get("size", found.st_size)
    problem = ""
    if not stat.S_ISREG(found.st_mode):
        problem = "not a file"
    else:
        try:
            check_file_size(size)
        except ValueError as error:
            problem = str(error)
    return [found.st_size, found.st_mtime_ns, problem]


def _read(config: BuildConfig, row: dict[str, Any], size: int) -> bytes:
    """The image file, by as few calls of the system as will do."""
    path, offset = os.path.join(config.images_dir, row["path"]), 0
    if "tar" in row:
        path, offset, size = row["tar"], row["offset"], row["size"]
    descriptor = os.open(path, os.O_RDONLY)
    try:
        encoded = os.pread(descriptor, size, offset)
    finally:
        os.close(descriptor)
    if len(encoded) != size:
        raise ValueError(f"{len(encoded)} bytes read of {size}")
    return encoded


def _reason(error: Exception) -> str:
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)
