"""Checks a finished dataset: every byte, record and image of its shards, its ids, labels and ground truth.

    python -m data_prep.validate --dataset_dir=build/train
    python -m data_prep.validate --dataset_dir=build/train --rebuild_bad_shards

Says what is wrong by shard and record, and exits with 1; if nothing is, one line says so. Decoding takes most
of the time, 2 ms of one processor for an image of 640 x 480; --nodecode reads as fast as the disk does.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from absl import flags

from data_prep.stage import command_line, files, jobs
from data_prep.stage.config_flags import define_flags, define_output, why_not_written
from data_prep.stage.settings import require

if TYPE_CHECKING:
    from data_prep.checking.validation import Report

_DATASET_DIR = flags.DEFINE_string("dataset_dir", None, "Folder of shards and dataset.json.", required=True)
_DECODE = flags.DEFINE_bool("decode", True, "Decode every image; otherwise look at its header only.")
_REBUILD_BAD_SHARDS = flags.DEFINE_bool(
    "rebuild_bad_shards", False, "Build what is bad again from the images it was built from, leave out "
    "images that do not decode, and check again.")
_IMAGES_DIR = flags.DEFINE_string(
    "images_dir", "", "For --rebuild_bad_shards: where the images lie now, if not where they lay.")
_OUTPUT = define_output("output", "JSON file to write the full report to.", required=False)
_MAX_LINES = flags.DEFINE_integer("max_lines", 10, "Lines to print of each kind of problem.", lower_bound=1)
_job_config = define_flags(jobs.JobConfig)


def main(_: list[str]) -> None:
    job = _job_config()
    wrong = why_not_written(_DATASET_DIR.value, folder=True) if _REBUILD_BAD_SHARDS.value else ""
    require(not wrong, f"`dataset_dir` must be a folder that can be written to, {wrong}.",
            dataset_dir=_DATASET_DIR.value)
    from data_prep.checking import repair, validation  # after the settings: TensorFlow takes seconds to load

    report = validation.validate(_DATASET_DIR.value, _DECODE.value, job)
    if report.num_problems and _REBUILD_BAD_SHARDS.value:
        _print(report)
        rebuilt = repair.rebuild_bad_shards(report, _IMAGES_DIR.value, job)
        print(f"\nBuilt again: {', '.join(rebuilt.shards) or 'dataset.json'}.")
        for path, reason in rebuilt.left_out.items():
            print(f"Left out from now on: {path}: {reason}")
        report = validation.validate(_DATASET_DIR.value, _DECODE.value, job, earlier=report)
    if _OUTPUT.value:
        files.write_json(_OUTPUT.value, report.as_json())
    _print(report)
    command_line.finish(f"The report is in {_OUTPUT.value}." if _OUTPUT.value else "",
                        "the same command with --rebuild_bad_shards"
                        if report.num_problems and not _REBUILD_BAD_SHARDS.value else "")
    if report.num_problems:
        sys.exit(1)


def _print(report: Report) -> None:
    print("\n".join(report.lines(_MAX_LINES.value)))


if __name__ == "__main__":
    command_line.run(main)
