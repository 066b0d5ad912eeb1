"""Translation as a stage: photographs of a folder or of TFRecord shards, made those of the other domain.

In shards photographs of the other domain stay as they are, and all keep their ids, labels, boxes, pairs and
the domain in which they were taken. Beside the shards lies .translated/: <shard>.json says what a shard was
made of and what came of it. Of a folder of images translated.json says it.

An image goes through the model with the same neighbours whatever is finished, so that the same photographs
and model give the same bytes however often the stage was interrupted.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from absl import logging

from data_prep.images import intake
from data_prep.images.intake import TakenImage
from data_prep.records import pipeline, shards
from data_prep.records.example import NO_LABEL, encode_example
from data_prep.records.manifest import Manifest, Shard, Split, manifest_beside, save_manifest
from data_prep.records.shard_stage import BadImageLimit
from data_prep.sources.formats.image_names import SUFFIXES, find_images, ids_of_paths
from data_prep.sources.revisited import drop_images
from data_prep.stage import files, lock, progress
from data_prep.stage.settings import require
from data_prep.stage.streams import mapped_in_order
from delg.photometric.translation import Translator

_TOGETHER = 8  # images; chosen
_PIXELS_AT_ONCE = 2_000_000  # of images that go through the model together; chosen
_RECORDS_DIR = ".translated"
_FOLDER_RECORD = "translated.json"
_WITHOUT_LOSS = (".png", ".gif", ".bmp", ".tif", ".tiff")  # become PNG, all others JPEG


class _Photograph(NamedTuple):
    name: str
    read: Callable[[], TakenImage]  # a ValueError or OSError leaves the image out


def translate_folder(saved_model: str, translation: str, images_dir: str, output_dir: str,
                     max_bad_fraction: float = 0.05, relight: bool = True) -> dict[str, str]:
    """Writes the translation of every image below a folder under its path; those that are newer are kept.

    They are upright, and JPEG, or PNG where the photograph is of a format without loss.

    Args:
        saved_model: folder made by `export.export_vae`, or of another translator.
        translation: its signature, such as "night_to_day".
        images_dir: folder of image files, in folders of any depth.
        output_dir: made where it does not exist.
        max_bad_fraction: of all images; more bad ones stop the job.
        relight: take of what the model gives the light alone, see `delg.photometric.relighting`.

    Returns:
        The images left out, path to reason.

    Raises:
        FileNotFoundError: if the model or the folder is not there.
        ValueError: if there is no image, `output_dir` lies in `images_dir` or holds the translations of
            another model, the model has no such signature, or too many images are bad.
        OSError: if another process is at work in `output_dir`.
    """
    paths = list(ids_of_paths(find_images(images_dir), images_dir).values())
    if not paths:
        raise ValueError(f"`images_dir` must hold images ({', '.join(SUFFIXES)}). Received: none in "
                         f"{images_dir!r}.")
    way = os.path.relpath(os.path.realpath(output_dir), os.path.realpath(images_dir))
    require(way.split(os.sep)[0] == os.pardir, "`output_dir` must not lie in `images_dir`, whose images its "
            "own would join.", output_dir=output_dir, images_dir=images_dir)
    translator = Translator(saved_model, translation, relight)
    record, left_out = os.path.join(output_dir, _FOLDER_RECORD), {}
    limit = BadImageLimit(max_bad_fraction, len(paths))
    with lock.alone_in(output_dir), progress.bar() as bar:
        _claim(record, translator.settings)
        task = bar.add_task("Translating", total=len(paths))
        for group in _groups(paths):
            targets = {path: os.path.join(output_dir, _translated_name(path)) for path in group}
            todo = [] if all(_is_newer(target, os.path.join(images_dir, path))
                             for path, target in targets.items()) else [
                _Photograph(path, lambda path=path: _from_file(os.path.join(images_dir, path)))
                for path in group]
            for path, result in _translate(translator, todo):
                if isinstance(result, Exception):
                    left_out[path] = _leave_out(path, result, limit)
                    continue
                with files.replacing(targets[path]) as temporary, open(temporary, "wb") as file:
                    file.write(intake.encode_pixels(
                        result, "PNG" if targets[path].endswith(".png") else "JPEG"))
            bar.advance(task, len(group))
        files.write_json(record, {**translator.settings, "left_out": left_out})
    return left_out


def translate_shards(saved_model: str, translation: str, pattern: str, output_dir: str,
                     max_bad_fraction: float = 0.05, relight: bool = True) -> Manifest:
    """Writes TFRecord shards anew, with the photographs of one domain translated, and dataset.json.

    Translated are those of the domain that the signature starts with, as "night" of "night_to_day", and those
    that name none. Finished shards are kept, those of other images or another model refused.

    Args:
        saved_model, translation, max_bad_fraction, relight: see `translate_folder`.
        pattern: glob of TFRecord shards with dataset.json beside them.
        output_dir: made where it does not exist.

    Returns:
        What dataset.json says.

    Raises:
        FileNotFoundError: if the model or the shards are not there.
        ValueError: if `output_dir` holds other shards, the model has no such signature, or too many images
            are bad.
        OSError: if another process is at work in `output_dir`.
    """
    sources = shards.find_shards(pattern)
    given = manifest_beside(sources[0])
    split_of = {shard.file: (name, shard) for name, split in given.splits.items() for shard in split.shards}
    names = [os.path.basename(path) for path in sources]
    num_images = given.select(sources).num_examples
    limit = BadImageLimit(max_bad_fraction, num_images)
    require(os.path.realpath(output_dir) != os.path.realpath(os.path.dirname(sources[0])),
            "`output_dir` must be another folder than that of the shards.", output_dir=output_dir)
    translator, made = Translator(saved_model, translation, relight), {}
    with lock.alone_in(output_dir), progress.bar() as bar:
        _refuse_other_shards(output_dir, names)
        task = bar.add_task("Translating", total=num_images)
        for source, name in zip(sources, names):
            made[name] = _bring_up_to_date(translator, source, os.path.join(output_dir, name),
                                           split_of[name][1].sha256, limit)
            bar.advance(task, split_of[name][1].num_examples)
        return _describe(given, {name: split_of[name][0] for name in names}, made, translator, output_dir)


def _bring_up_to_date(translator: Translator, source: str, output: str, source_sha256: str,
                      limit: BadImageLimit) -> dict[str, Any]:
    """What came of a shard: {"shard": fields of `Shard`, "labels", "left_out": id to reason, ...}."""
    folder, name = os.path.split(output)
    path = os.path.join(folder, _RECORDS_DIR, f"{name}.json")
    made_of = {**translator.settings, "source_sha256": source_sha256}
    found = files.read_checked_json(path) if os.path.exists(path) and os.path.exists(output) else None
    if found is not None:
        if found["made_of"] != made_of:
            raise ValueError(f"{output} must be what would be made now. Received: one of another model, "
                             "translation or other images. Remove it, or choose another `output_dir`.")
        shards.check_shard(output, Shard(**found["shard"]))
        for image, reason in found["left_out"].items():
            limit.count({"image": image, "reason": reason})
        return found
    labels: set[int] = set()
    left_out: dict[str, str] = {}
    shard = shards.write_shard(output, _examples(translator, source, labels, left_out, limit))
    record = {"made_of": made_of, "shard": dataclasses.asdict(shard),
              "labels": sorted(labels - {NO_LABEL}), "left_out": left_out}
    os.makedirs(os.path.dirname(path), exist_ok=True)
    files.write_checked_json(path, record)
    return record


def _examples(translator: Translator, source: str, labels: set[int], left_out: dict[str, str],
              limit: BadImageLimit) -> Iterator[bytes]:
    domain = translator.settings["translation"].split("_to_")[0]
    max_pixels = manifest_beside(source).max_pixels
    for group in _groups(pipeline.read_examples(source).as_numpy_iterator()):
        translated = dict(_translate(translator, [
            _Photograph(str(number), lambda fields=fields: intake.take_image(
                fields["encoded"], max_pixels, upright=False))
            for number, fields in enumerate(group) if fields["domain"].decode() in ("", domain)]))
        for number, fields in enumerate(group):
            name, result = fields["id"].decode(), translated.get(str(number))
            if isinstance(result, Exception):
                left_out[name] = _leave_out(name, result, limit)
                continue
            labels.add(int(fields["label"]))
            yield _example(fields, result)


def _example(fields: dict[str, Any], pixels: np.ndarray | None) -> bytes:
    """An example with the pixels, if there are any, in place of its own."""
    encoded = fields["encoded"]
    image_format = "PNG" if encoded.startswith(b"\x89PNG") else "JPEG"
    if pixels is not None:
        encoded = intake.encode_pixels(pixels, image_format)
    return encode_example(
        encoded, fields["id"].decode(), image_format, int(fields["height"]), int(fields["width"]),
        None if fields["label"] == NO_LABEL else int(fields["label"]),
        fields["query_bbox"].tolist() if fields["query_bbox"][2] >= 0 else None,
        fields["domain"].decode() or None, fields["pair"].decode() or None, int(fields["orientation"]))


def _describe(given: Manifest, split_of: dict[str, str], made: dict[str, dict[str, Any]],
              translator: Translator, output_dir: str) -> Manifest:
    splits: dict[str, Split] = {}
    for name in dict.fromkeys(split_of.values()):
        records = [made[file] for file in made if split_of[file] == name]
        written = tuple(Shard(**record["shard"]) for record in records)
        splits[name] = Split(sum(shard.num_examples for shard in written),
                             len(set().union(*(record["labels"] for record in records))),
                             given.splits[name].label_range, written)
    left_out = {file: record["left_out"] for file, record in made.items() if record["left_out"]}
    lost = {name: {image for file, images in left_out.items() if split_of[file] == name for image in images}
            for name in ("index", "query")}
    ground_truth = given.ground_truth
    if ground_truth is not None and "gnd" in ground_truth and any(lost.values()):
        ground_truth = drop_images(ground_truth, lost["index"], lost["query"])
    return save_manifest(Manifest(
        "", given.dataset, given.seed, given.num_classes, given.labels, splits, ground_truth,
        {**given.sources, "translator": {"path": translator.settings["translation"],
                                         "sha256": translator.settings["translator"]}},
        given.left_out + tuple({"split": split_of[file], "id": image, "image": image, "reason": reason}
                               for file, images in left_out.items() for image, reason in images.items())),
        output_dir)


def _translate(translator: Translator, photographs: Sequence[_Photograph]
               ) -> Iterator[tuple[str, np.ndarray | Exception]]:
    """Translations of a few photographs, those of one size together, or why there is none; in their order."""
    found: dict[str, np.ndarray | Exception] = dict(mapped_in_order(_read, photographs))
    by_shape: dict[tuple[int, ...], list[str]] = {}
    for name, pixels in found.items():
        if not isinstance(pixels, Exception):
            by_shape.setdefault(pixels.shape, []).append(name)
    for shape, names in by_shape.items():
        size = max(1, _PIXELS_AT_ONCE // (shape[0] * shape[1]))
        for start in range(0, len(names), size):
            part = names[start:start + size]
            found.update(zip(part, translator.translate_all(np.stack([found[name] for name in part]))))
    yield from found.items()


def _read(photograph: _Photograph) -> tuple[str, np.ndarray | Exception]:
    try:
        taken = photograph.read()
        return photograph.name, intake.decode_pixels(taken.encoded, taken.format)
    except (ValueError, OSError) as error:
        return photograph.name, error


def _from_file(path: str) -> TakenImage:
    with open(path, "rb") as file:
        intake.check_file_size(os.fstat(file.fileno()).st_size)
        return intake.take_image(file.read())


def _groups(items: Iterable[Any]) -> Iterator[list[Any]]:
    """Items, a few neighbours at a time."""
    group: list = []
    for item in items:
        group.append(item)
        if len(group) == _TOGETHER:
            yield group
            group = []
    if group:
        yield group


def _leave_out(name: str, error: Exception, limit: BadImageLimit) -> str:
    reason = " ".join(str(error).split())[:200]
    logging.warning("Left out image %s: %s.", name, reason)
    limit.count({"image": name, "reason": reason})
    return reason


def _translated_name(path: str) -> str:
    name, suffix = os.path.splitext(path)
    return name + (".png" if suffix.lower() in _WITHOUT_LOSS else ".jpg")


def _is_newer(target: str, source: str) -> bool:
    try:
        return os.stat(target).st_mtime_ns >= os.stat(source).st_mtime_ns
    except FileNotFoundError:
        return False


def _claim(record: str, settings: dict[str, Any]) -> None:
    """Makes a folder that of one translation."""
    if os.path.exists(record):
        found = files.read_json(record)
        found.pop("left_out", None)
        if found != settings:
            raise ValueError("`output_dir` must hold no translations of another model, to another domain or "
                             f"by another `relight`. Received: {os.path.dirname(record)}, of "
                             f"{found.get('translation')} by {str(found.get('translator'))[:12]}, relight="
                             f"{found.get('relit', False)}.")
    else:
        files.write_json(record, settings)


def _refuse_other_shards(output_dir: str, names: Sequence[str]) -> None:
    for name in sorted(os.listdir(output_dir)):
        if shards.is_shard_name(name) and name not in names:
            raise ValueError("`output_dir` must hold no shards but those of `pattern`. Received: "
                             f"{os.path.join(output_dir, name)}.")
