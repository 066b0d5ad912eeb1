"""Features of a folder of image files, kept up to date: what is new is described, what is gone goes.

`photos-<16 hex digits>.h5` are feature shards of at most 256 images, whose ids are their paths. Their note
`files` says what they were made of: id -> [size in bytes, time of change in nanoseconds, SHA-256], of the
images left out too. Nothing else is kept, so whatever a killed process leaves is what the next one goes on
from: a file that lies in two shards counts in the first.
"""

from __future__ import annotations

import functools
import glob
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from absl import logging

from data_prep.images import intake
from data_prep.records.shard_stage import BadImageLimit
from data_prep.sources.formats.image_names import SUFFIXES, find_images, printable
from data_prep.stage import files, lock, progress
from delg.features import shards
from delg.features.preparing import BadImageError, refusing_bad_images
from delg.features.shard_extraction import UnreadImage, describe_images, extract_shard
from delg.features.shard_merging import merge_shards

if TYPE_CHECKING:
    from delg.features.describing import ImageDescriber

_SHARD_IMAGES = 256  # what a killed process loses of its work at most; chosen
_SMALL_SHARDS = 8  # of less than half of that, that are merged; chosen
_FileRecord = list  # size, time of change, SHA-256


class ImageFile(NamedTuple):
    """An image file as it lies in a folder."""

    path: str  # relative to the folder
    size: int  # bytes
    changed_ns: int  # time of its last change


class DescribedFolder(NamedTuple):
    """What features a folder has now.

    Attributes:
        path_of: id -> path relative to the folder, of the images that have features.
        sha256: id -> SHA-256 of their files.
        left_out: id -> reason, of images without features.
        num_described: images that were described now.
        shards: paths of the feature shards, sorted.
        shard_of: id -> path of the shard with its features.
    """

    path_of: dict[str, str]
    sha256: dict[str, str]
    left_out: dict[str, str]
    num_described: int
    shards: list[str]
    shard_of: dict[str, str]


class _Shard(NamedTuple):
    path: str
    records: dict[str, _FileRecord]
    left_out: dict[str, str]  # id -> reason
    orientations: dict[str, int]  # of EXIF, of images that were turned
    live: list[str]  # ids that are as they were described, and in no shard before
    is_current: bool  # whether all are, and their records too


def find_image_files(images_dir: str, left_out: dict[str, str] | None = None) -> dict[str, ImageFile]:
    """The image files below a folder by id, which is their path, in order.

    Args:
        images_dir: the folder.
        left_out: is filled: id -> reason of images of formats that are not read.

    Raises:
        FileNotFoundError: if `images_dir` is not a folder.
        ValueError: if it holds no image.
    """
    passed_over: dict[str, str] = {}
    found = {}
    for path in find_images(images_dir, passed_over):
        if os.access(os.path.join(images_dir, path), os.R_OK):
            status = os.stat(os.path.join(images_dir, path))
            found[_id_of(path)] = ImageFile(path, status.st_size, status.st_mtime_ns)
        else:  # such as a link that leads nowhere
            passed_over[path] = "a file that cannot be read"
    if not found:
        raise ValueError(f"`images_dir` must hold images ({', '.join(SUFFIXES)}). Received: none in "
                         f"{images_dir!r}.")
    if left_out is not None:
        left_out.update({_id_of(path): reason for path, reason in passed_over.items()})
    return found


def describe_folder(describer: ImageDescriber, images_dir: str, features_dir: str,
                    max_bad_fraction: float, removed: Iterable[str] = ()) -> DescribedFolder:
    """Brings the features of a folder up to date.

    Args:
        describer: the model and how features are taken.
        images_dir: folder of image files, in folders of any depth.
        features_dir: of the feature shards; made where it does not exist.
        max_bad_fraction: of the images, that may be left out.
        removed: ids of images that are to have no features.

    Raises:
        FileNotFoundError: if `images_dir` is not a folder.
        ValueError: if it holds no image, `features_dir` holds features of another model or other settings,
            or too many images are bad.
        OSError: if another process is at work in `features_dir`.
    """
    left_out: dict[str, str] = {}
    found = find_image_files(images_dir, left_out)
    left_out.update({image_id: "removed" for image_id in removed if found.pop(image_id, None)})
    with lock.alone_in(features_dir):
        stored = _read_stored(describer, images_dir, features_dir, found)
        todo = dict(found)
        for shard in stored:
            for image_id in shard.live:
                del todo[image_id]
        limit = BadImageLimit(max_bad_fraction, len(found), sum(
            image_id in shard.left_out for shard in stored for image_id in shard.live))
        _keep_moved(images_dir, features_dir, found, stored, todo)
        if len(todo) < len(found):
            logging.info("%d of %d images are described as they are; kept.", len(found) - len(todo),
                         len(found))
        if sum(len(shard.live) for shard in stored) < len(found):
            _describe(describer, images_dir, features_dir, todo, limit)
            stored = _read_stored(describer, images_dir, features_dir, found)
        if _tidy(features_dir, found, stored):
            stored = _read_stored(describer, images_dir, features_dir, found)
    for shard in stored:
        left_out.update(shard.left_out)
    records = {image_id: record for shard in stored for image_id, record in shard.records.items()
               if image_id not in shard.left_out}
    shard_of = {image_id: shard.path for shard in stored for image_id in shard.records if image_id in records}
    return DescribedFolder({image_id: found[image_id].path for image_id in records},
                           {image_id: record[2] for image_id, record in records.items()},
                           dict(sorted(left_out.items())), len(todo), [shard.path for shard in stored],
                           shard_of)


def remove_damaged(features_dir: str) -> None:
    """Removes shards of a folder that are damaged, with a warning, so that they are made again.

    Raises:
        ValueError: if one cannot be opened for another reason, such as a lack of permission or memory.
    """
    for path in glob.glob(os.path.join(glob.escape(features_dir), "photos-*.h5")):
        try:
            shards.read_shard_attributes(path)
        except ValueError as error:
            if getattr(error.__cause__, "errno", None) or isinstance(error.__cause__, MemoryError):
                raise
            logging.warning("Its photographs are described again: %s", error)
            os.remove(path)


def _read_stored(describer: ImageDescriber, images_dir: str, features_dir: str,
                 found: Mapping[str, ImageFile]) -> list[_Shard]:
    claimed: set[str] = set()
    stored = []
    for path in sorted(glob.glob(os.path.join(glob.escape(features_dir), "*.h5"))):
        config, notes = shards.read_shard_attributes(path)
        different = shards.differing_settings(config, json.loads(json.dumps(describer.settings)))
        if different or "files" not in notes:
            raise ValueError(f"{features_dir} must hold features of these images by the same model and "
                             f"settings. Received: {path}, which differs in: "
                             f"{', '.join(different) or 'images'}. Remove it, or choose another folder.")
        records = notes["files"]
        live = [image_id for image_id, record in records.items()
                if image_id not in claimed and image_id in found and _is_as_before(
                    images_dir, found[image_id], record)]
        claimed.update(live)
        is_current = len(live) == len(records) and all(
            _record_of(found[image_id], record[2]) == record for image_id, record in records.items())
        left_out = {image["image"]: image["reason"] for image in notes["left_out"]}
        stored.append(_Shard(path, records, left_out, notes["orientations"], live, is_current))
    return stored


def _is_as_before(images_dir: str, file: ImageFile, record: _FileRecord) -> bool:
    """Whether a file has the content that was described; it is read only where it was touched since."""
    size, changed_ns, sha256 = record
    return size == file.size and (changed_ns == file.changed_ns or
                                  files.sha256_of(os.path.join(images_dir, file.path)) == sha256)


def _describe(describer: ImageDescriber, images_dir: str, features_dir: str, todo: Mapping[str, ImageFile],
              limit: BadImageLimit) -> None:
    with progress.bar() as bar:
        task = bar.add_task("Describing", total=len(todo))
        for some in _pieces(list(todo), _SHARD_IMAGES):
            read: dict[str, _FileRecord] = {}
            turned: dict[str, int] = {}
            images = [_unread(images_dir, image_id, todo[image_id], read, turned) for image_id in some]
            name = _shard_name([[image_id, *todo[image_id][1:]] for image_id in some])
            extract_shard(describer, describe_images(describer, images), os.path.join(features_dir, name),
                          functools.partial(_notes, some, read, turned), limit, lambda: bar.advance(task))


def _notes(ids: list[str], read: Mapping[str, _FileRecord], turned: Mapping[str, int]) -> dict[str, Any]:
    return {"files": {image_id: read[image_id] for image_id in ids},
            "orientations": {image_id: turned[image_id] for image_id in ids if image_id in turned}}


def _unread(images_dir: str, image_id: str, file: ImageFile, records: dict[str, _FileRecord],
            turned: dict[str, int]) -> UnreadImage:
    def read() -> bytes:
        try:
            with open(os.path.join(images_dir, file.path), "rb") as opened:
                content = opened.read()
        except OSError as error:
            records[image_id] = _record_of(file, "")
            raise BadImageError(error.strerror or str(error)) from error
        records[image_id] = _record_of(file, hashlib.sha256(content).hexdigest())
        with refusing_bad_images():
            intake.check_file_size(len(content))
            taken = intake.take_image(content)
        if taken.orientation != 1:
            turned[image_id] = taken.orientation
        return taken.encoded

    return UnreadImage(image_id, read)


def _tidy(features_dir: str, found: Mapping[str, ImageFile], stored: list[_Shard]) -> bool:
    """Writes shards anew that hold what is gone, and small ones as larger ones; whether there were any."""
    small = [shard for shard in stored if 2 * len(shard.records) < _SHARD_IMAGES]
    old = [shard for shard in stored if not shard.is_current
           or len(small) >= _SMALL_SHARDS and shard in small]
    written = _write_kept(features_dir, found, [(image_id, shard, image_id) for shard in old
                                                for image_id in shard.live])
    for path in {shard.path for shard in old}.difference(written):
        os.remove(path)
    return bool(old)


def _keep_moved(images_dir: str, features_dir: str, found: Mapping[str, ImageFile], stored: list[_Shard],
                todo: dict[str, ImageFile]) -> None:
    """Writes shards of files whose content was described under another name, no longer in `todo` then."""
    described = {record[2]: (shard, image_id) for shard in stored
                 for image_id, record in shard.records.items()
                 if record[2] and image_id not in shard.left_out}
    sizes = {shard.records[image_id][0] for shard, image_id in described.values()}
    moved = []
    for image_id, file in todo.items():
        if file.size in sizes and os.path.isfile(path := os.path.join(images_dir, file.path)):
            shard, earlier_id = described.get(files.sha256_of(path), (None, ""))
            if shard is not None:
                moved.append((image_id, shard, earlier_id))
    _write_kept(features_dir, found, moved)
    for image_id, *_ in moved:
        del todo[image_id]


def _write_kept(features_dir: str, found: Mapping[str, ImageFile],
                kept: list[tuple[str, _Shard, str]]) -> list[str]:
    """Writes shards of features that there are: ids, and the shards and ids there; returns their paths."""
    written = []
    for some in _pieces(kept, _SHARD_IMAGES):
        records = {image_id: _record_of(found[image_id], shard.records[earlier_id][2])
                   for image_id, shard, earlier_id in some}
        left_out = [{"image": image_id, "reason": shard.left_out[earlier_id]}
                    for image_id, shard, earlier_id in some if earlier_id in shard.left_out]
        turned = {image_id: shard.orientations[earlier_id] for image_id, shard, earlier_id in some
                  if earlier_id in shard.orientations}
        name = _shard_name([[image_id, *record] for image_id, record in records.items()])
        chosen: dict[str, dict[str, str]] = {}
        for image_id, shard, earlier_id in some:
            if earlier_id not in shard.left_out:
                chosen.setdefault(shard.path, {})[image_id] = earlier_id
        written.append(os.path.join(features_dir, name))
        merge_shards(chosen or {some[0][1].path: {}}, written[-1],
                     {"files": records, "orientations": turned, "left_out": left_out})
    return written


def _record_of(file: ImageFile, sha256: str) -> _FileRecord:
    return [file.size, file.changed_ns, sha256]


def _id_of(path: str) -> str:
    return printable(path).replace(os.sep, "/")


def _shard_name(described: list[Any]) -> str:
    return f"photos-{hashlib.sha256(json.dumps(described).encode()).hexdigest()[:16]}.h5"


def _pieces(items: list[Any], size: int) -> Iterator[list[Any]]:
    return (items[first:first + size] for first in range(0, len(items), size))
