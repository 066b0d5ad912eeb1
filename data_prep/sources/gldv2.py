"""Google Landmarks v2: the sets to train on, to search and to ask with, as published."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

from data_prep.sources.collection import ImageCollection
from data_prep.sources.public_set import PublicFile, PublicSet
from data_prep.sources.source import Source, need, tables_given
from data_prep.stage.settings import setting

PARTS = ("train", "index", "test")
_PARTS_OF = {  # the tables, in the order that dataset.json lists them, and the parts they belong to
    "train_csv": ("train",), "train_clean_csv": ("train",), "exclude_csv": ("train",),
    "index_csv": ("index", "test"), "index_labels_csv": ("index",), "test_csv": ("test",),
    "recognition_solution_csv": ("test",), "retrieval_solution_csv": ("test",),
}


@dataclasses.dataclass(frozen=True)
class Settings:
    """Which part of the set, and its tables."""

    part: str = setting("train", help="gldv2: the part of the set", choices=PARTS)
    train_csv: str = setting("", help="gldv2 train: table with columns id and landmark_id")
    train_clean_csv: str = setting(
        "", help="gldv2 train: table with columns landmark_id and images; only those images are taken")
    exclude_csv: str = setting(
        "", help="gldv2 train: images and landmarks to leave out; one a line, or columns id, landmark_id")
    index_csv: str = setting(
        "", help="gldv2 index: table with column id; gldv2 test: what the retrieval solution is checked by")
    index_labels_csv: str = setting(
        "", help="gldv2 index: table with columns id and landmark_id, to give the images labels")
    test_csv: str = setting("", help="gldv2 test: table with column id")
    recognition_solution_csv: str = setting(
        "", help="gldv2 test: table with columns id, landmarks and Usage")
    retrieval_solution_csv: str = setting("", help="gldv2 test: table with columns id, images and Usage")


def _check(config: Any) -> None:
    for name, parts in _PARTS_OF.items():
        if config.part not in parts and getattr(config, name):
            raise ValueError(f"`{name}` belongs to part={' or '.join(parts)}. "
                             f"Received: {name}={getattr(config, name)} with part={config.part}.")
    if config.part != "train":
        need(config, f"{config.part}_csv", f"part={config.part}")
    elif not (config.train_csv or config.train_clean_csv):
        raise ValueError("dataset=gldv2 needs `train_csv` or `train_clean_csv`. Received: neither.")


def _read(config: Any) -> ImageCollection:
    from data_prep.sources import gldv2_evaluation, gldv2_training  # pandas, which flags need not wait for

    if config.part == "index":
        return gldv2_evaluation.read_index(config.index_csv, config.index_labels_csv)
    if config.part == "test":
        return gldv2_evaluation.read_test(config.test_csv, config.recognition_solution_csv,
                                          config.retrieval_solution_csv, config.index_csv)
    return gldv2_training.read_images(config.train_csv, config.train_clean_csv,
                                      config.exclude_csv).to_train()


_URL = "https://s3.amazonaws.com/google-landmark"
_HOMEPAGE = "https://github.com/cvdfoundation/google-landmark"


def _files(*paths: str) -> tuple[PublicFile, ...]:
    return tuple(PublicFile(_URL, path) for path in paths)


def _tars(split: str, count: int, about: int) -> tuple[PublicFile, ...]:
    return tuple(PublicFile(_URL, f"{split}/images_{part:03d}.tar", about=about, part=part,
                            md5_path=f"md5sum/{split}/md5.images_{part:03d}.txt") for part in range(count))


def _public_set(split: str, tars: tuple[PublicFile, ...], tables: tuple[PublicFile, ...],
                flags: str) -> PublicSet:
    return PublicSet(
        homepage=_HOMEPAGE, files=tables + tars,
        next_command=f"python -m data_prep.build_tfrecords --dataset=gldv2 {{images}} {flags} "
                     f"--output_dir={{dir}}/{split}_shards",
        archives=f"--from_tars='{{dir}}/{split}/images_*.tar'",
        unpack_dir=f"{split}_images", unpacked_images=f"--images_dir={{dir}}/{split}_images")


_TRAIN_TABLES = _files("metadata/train.csv", "metadata/train_clean.csv")
_INDEX_TABLES = _files("metadata/index.csv", "metadata/index_image_to_landmark.csv")
_TEST_TABLES = _files("metadata/test.csv", "ground_truth/recognition_solution_v2.1.csv",
                      "ground_truth/retrieval_solution_v2.1.csv")

SOURCE = Source(
    layout="the one with 0/ to f/", read=_read, settings=Settings, check=_check, lists_all=True,
    reads_tars=True, tables=lambda config: tables_given(config, *_PARTS_OF),
    ids_of_path=lambda path: [os.path.splitext(os.path.basename(path))[0]],
    public_sets={
        "gldv2_train": _public_set(  # 4,132,914 images
            "train", _tars("train", 500, about=1_000_000_000), _TRAIN_TABLES,
            "--train_csv={dir}/metadata/train.csv --train_clean_csv={dir}/metadata/train_clean.csv"),
        "gldv2_index": _public_set(  # 761,757 images
            "index", _tars("index", 100, about=850_000_000), _INDEX_TABLES,
            "--part=index --index_csv={dir}/metadata/index.csv "
            "--index_labels_csv={dir}/metadata/index_image_to_landmark.csv"),
        "gldv2_test": _public_set(  # 117,577 images
            "test", _tars("test", 20, about=500_000_000), _TEST_TABLES,
            "--part=test --test_csv={dir}/metadata/test.csv "
            "--recognition_solution_csv={dir}/ground_truth/recognition_solution_v2.1.csv "
            "--retrieval_solution_csv={dir}/ground_truth/retrieval_solution_v2.1.csv"),
        "gldv2_metadata": PublicSet(
            homepage=_HOMEPAGE,
            files=_TRAIN_TABLES + _INDEX_TABLES + _TEST_TABLES + _files(
                "metadata/train_attribution.csv", "metadata/train_label_to_category.csv",
                "metadata/train_label_to_hierarchical.csv", "metadata/index_label_to_category.csv",
                "metadata/index_label_to_hierarchical.csv"),
            next_command="python -m data_prep.download --dataset=gldv2_train --output_dir={dir}"),
    })
