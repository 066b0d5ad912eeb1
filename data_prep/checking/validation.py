"""Walks a finished dataset: every byte, record and image of every shard, and what dataset.json says of them.

The shards are checked one by one, in parallel, each in one pass; what only all of them together show (ids
used twice, ground truth that names an image which is nowhere) is found from an 8-byte hash of each id.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from data_prep.checking import ground_truth_check, shard_check
from data_prep.checking.id_table import IdTable
from data_prep.checking.shard_check import Expected, Problem, ShardContent
from data_prep.records import example, shards
from data_prep.records.manifest import Manifest, Shard, load_manifest
from data_prep.stage import files as stage_files
from data_prep.stage import jobs

BAD_SUFFIX = ".bad"  # of a shard that a repair has set aside
_MAX_CONFIRMED = 100  # ids used twice, per split, that are looked up; the others are counted by their hash


@dataclasses.dataclass(frozen=True)
class Report:
    """What was found in a dataset."""

    dataset_dir: str
    problems: tuple[Problem, ...]
    counts: dict[str, int]  # problems of each kind, in the order they are to be shown
    num_images: int
    num_shards: int
    num_bytes: int
    seconds: float  # of reading all the shards, with those of an earlier report that this one builds on
    checked: dict[str, tuple[Shard, ShardContent]] = dataclasses.field(repr=False)  # by file name

    @property
    def num_problems(self) -> int:
        return sum(self.counts.values())

    def bad_shards(self) -> list[str]:
        """Files, sorted, in which something is wrong."""
        return sorted({problem.file for problem in self.problems if problem.file})

    def lines(self, max_lines: int) -> list[str]:
        """The report to be read: at most `max_lines` problems of each kind, and a summary as last line."""
        rate = self.num_images / max(self.seconds, 1e-9)
        size = (f"{self.num_images:,} images in {self.num_shards:,} shards, {self.num_bytes / 1e6:,.1f} MB, "
                f"{self.seconds:.1f} s, {rate:,.0f} images/s")
        if not self.num_problems:
            return [f"Nothing is wrong in {self.dataset_dir}: {size}."]
        lines = []
        for kind, count in self.counts.items():
            listed = [problem for problem in self.problems if problem.kind == kind][:max_lines]
            lines += [f"{kind}: {count:,}", *(f"  {problem}" for problem in listed)]
            if count > len(listed):
                lines.append(f"  ... and {count - len(listed):,} more")
        plural = "s" * (self.num_problems != 1)
        return [*lines, f"{self.num_problems:,} problem{plural} in {self.dataset_dir}: {size}."]

    def as_json(self) -> dict[str, Any]:
        """The report as JSON can hold it."""
        kinds = {kind: {"count": count, "problems": [
            {"shard": problem.file or None, "record": problem.record if problem.record >= 0 else None,
             "byte": problem.offset if problem.offset >= 0 else None, "id": problem.image_id or None,
             "text": problem.text} for problem in self.problems if problem.kind == kind]}
            for kind, count in self.counts.items()}
        return {"dataset_dir": self.dataset_dir, "num_problems": self.num_problems,
                "num_images": self.num_images, "num_shards": self.num_shards, "num_bytes": self.num_bytes,
                "seconds": round(self.seconds, 3), "kinds": kinds}


def validate(dataset_dir: str, decode: bool = True, job: jobs.JobConfig | None = None,
             earlier: Report | None = None) -> Report:
    """Checks a finished dataset.

    Args:
        dataset_dir: folder of the shards and of dataset.json.
        decode: whether to decode every image; otherwise only the headers are read.
        job: where to run; by default in this process, on all processors.
        earlier: report from before a repair; shards that were good in it, and are the same in dataset.json,
            are not read again.

    Raises:
        FileNotFoundError, ValueError: if dataset.json is missing or cannot be read.
    """
    started = time.perf_counter()
    manifest = load_manifest(dataset_dir)
    expected = _expected_shards(manifest, decode)
    contents = {}
    if earlier is not None:
        bad = set(earlier.bad_shards())
        contents = {file: content for file, (shard, content) in earlier.checked.items()
                    if file not in bad and file in expected and expected[file].shard == shard}
    pending = {file: entry for file, entry in expected.items() if file not in contents}
    contents.update(_check_shards(manifest, pending, job or jobs.JobConfig()))
    report = _report(manifest, {file: (entry.shard, contents[file]) for file, entry in expected.items()})
    seconds = time.perf_counter() - started + (earlier.seconds if earlier is not None else 0)
    return dataclasses.replace(report, seconds=seconds)


def _expected_shards(manifest: Manifest, decode: bool) -> dict[str, Expected]:
    """What each shard is to be like, by file name."""
    truth = manifest.ground_truth or {}
    has_boxes = bool(truth.get("gnd")) and all("bbx" in entry for entry in truth["gnd"])
    return {shard.file: Expected(shard, split.label_range, has_boxes and name == "query",
                                manifest.max_pixels, decode)
            for name, split in manifest.splits.items() for shard in split.shards}


def _check_shards(manifest: Manifest, expected: dict[str, Expected],
                  job: jobs.JobConfig) -> dict[str, ShardContent]:
    folder = os.path.dirname(manifest.path)
    # A cluster's workers see the dataset's folder; the embedded ones work on a set that is read-only, too.
    scratch = (tempfile.TemporaryDirectory() if job.runner == jobs.EMBEDDED else
               stage_files.temporary_beside(os.path.join(folder, "validation")))
    with scratch as results_dir:
        results = jobs.run("Checking shards", functools.partial(shard_check.check_shard, folder, expected),
                           list(expected), results_dir, job,
                           sizes=[entry.shard.num_examples for entry in expected.values()])
    return {file: shard_check.read_content(result) for file, result in results.items()}


def _report(manifest: Manifest, checked: dict[str, tuple[Shard, ShardContent]]) -> Report:
    contents = {file: content for file, (_, content) in checked.items()}
    problems = [*_check_manifest(manifest), *_check_folder(manifest)]
    counts = Counter(problem.kind for problem in problems)
    for content in contents.values():
        problems += content.problems
        counts.update(content.counts)
    tables = {}
    for name, split in manifest.splits.items():
        files = [shard.file for shard in split.shards]
        tables[name] = IdTable(os.path.dirname(manifest.path), files,
                               [contents[file].id_hashes for file in files])
        found, num_more = _check_split(manifest, name, tables[name], [contents[file] for file in files])
        problems += found
        counts.update(problem.kind for problem in found)
        counts.update({"duplicate id": num_more} if num_more else {})
    rest = [*ground_truth_check.check_ground_truth(manifest, tables),
            *ground_truth_check.check_left_out(manifest, tables)]
    problems += rest
    counts.update(problem.kind for problem in rest)
    return Report(os.path.dirname(manifest.path), tuple(problems), dict(counts),
                  num_images=sum(content.num_records for content in contents.values()),
                  num_shards=len(contents), num_bytes=sum(content.num_bytes for content in contents.values()),
                  seconds=0.0, checked=checked)


def _check_manifest(manifest: Manifest) -> Iterable[Problem]:
    """Whether dataset.json agrees with itself."""
    seen: set[str] = set()
    if len({str(label) for label in manifest.labels}) < len(manifest.labels):
        yield Problem("dataset.json", "its labels name a class twice")
    for name, split in manifest.splits.items():
        files = [shard.file for shard in split.shards]
        if files != [shards.shard_name(name, index, len(files)) for index in range(len(files))]:
            yield Problem("dataset.json", f"the shards of split {name!r} are not numbered 0 to "
                                          f"{len(files) - 1}: {', '.join(files[:3])}")
        if seen & set(files):
            yield Problem("dataset.json", f"split {name!r} shares {min(seen & set(files))} with another")
        seen |= set(files)
        total = sum(shard.num_examples for shard in split.shards)
        if split.num_examples != total:
            yield Problem("dataset.json", f"split {name!r} has {split.num_examples} examples, its shards "
                                          f"have {total}")
        if split.label_range is None:
            continue
        low, high = split.label_range
        if not 0 <= low < high:
            yield Problem("dataset.json", f"label_range of split {name!r} is [{low}, {high})")
        if high > len(manifest.labels):
            yield Problem("dataset.json", f"label_range of split {name!r} ends at {high}, but its table of "
                                          f"labels has {len(manifest.labels)}")
    if manifest.num_classes > len(manifest.labels):
        yield Problem("dataset.json", f"it has {manifest.num_classes} classes to train on, but names "
                                      f"{len(manifest.labels)}")


def _check_folder(manifest: Manifest) -> Iterable[Problem]:
    """Shards that dataset.json does not know, and files that a killed job left."""
    known = {shard.file for split in manifest.splits.values() for shard in split.shards}
    for name in sorted(os.listdir(os.path.dirname(manifest.path))):
        if stage_files.is_temporary(name):
            yield Problem("stray file", "temporary file that an interrupted job left", name)
        elif name.endswith(BAD_SUFFIX) and shards.is_shard_name(name[:-len(BAD_SUFFIX)]):
            yield Problem("stray file", "bad shard that an interrupted repair set aside", name)
        elif shards.is_shard_name(name) and name not in known:
            yield Problem("stray file", "shard that dataset.json does not list, as of a build with another "
                                        "number of shards", name)


def _check_split(manifest: Manifest, name: str, table: IdTable,
                 contents: Sequence[ShardContent]) -> tuple[list[Problem], int]:
    """What all shards of a split together show, and how many more ids occur twice."""
    problems = []
    split = manifest.splits[name]
    labels = np.unique(np.concatenate([content.labels for content in contents] or [np.zeros(0, np.int64)]))
    num_classes = int(np.sum(labels != example.NO_LABEL))
    is_whole = table.num_unreadable == 0 and len(table) == split.num_examples
    if is_whole and num_classes != split.num_classes:
        problems.append(Problem("wrong count", f"split {name!r} has images of {num_classes} classes, "
                                               f"{split.num_classes} in dataset.json"))
    duplicates, num_more = table.find_duplicates(_MAX_CONFIRMED)
    for image_id, (first, *others) in duplicates:
        for place in others:
            problems.append(Problem("duplicate id", f"also in {first.file} record {first.record}", place.file,
                                    place.record, place.offset, image_id))
    return problems, num_more
