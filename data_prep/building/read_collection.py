"""From the settings of a build to the images of its source."""

from __future__ import annotations

import os
from collections.abc import Callable

from data_prep.building.config import BuildConfig
from data_prep.sources import (
    cub,
    day_night,
    distractors,
    dogs,
    folder,
    gldv2,
    gldv2_evaluation,
    image_list,
    landmarks,
    revisited,
)
from data_prep.sources.collection import ImageCollection, SplitImages
from data_prep.sources.formats.image_names import path_finder
from data_prep.sources.labels import LabelledImages


def read_collection(config: BuildConfig) -> ImageCollection:
    """The images that the tables or folders of a set name, whether their files exist or not.

    Raises:
        ValueError: for tables and folders that are not as they should be.
        FileNotFoundError: if a table, or a folder that has to be searched, does not exist.
    """
    return _READERS[config.dataset](config)


def source_files(config: BuildConfig) -> dict[str, str]:
    """Path of each table a build reads, by its flag or, for a table of a set's own folder, its file name.

    Raises:
        FileNotFoundError: if a table does not exist.
    """
    names = ("train_csv", "train_clean_csv", "exclude_csv", "index_csv", "index_labels_csv", "test_csv",
             "recognition_solution_csv", "retrieval_solution_csv", "ground_truth", "landmarks_json",
             "image_list")
    files = {name: getattr(config, name) for name in names if getattr(config, name)}
    if config.dataset == "landmarks" and not config.landmarks_json:
        files["landmarks_json"] = landmarks.find_table(config.images_dir)
    own = {"cub": [os.path.join(config.images_dir, name) for name in cub.TABLES],
           "dogs": dogs.find_tables(config.images_dir) if config.dataset == "dogs" else (),
           "day_night": [os.path.join(config.images_dir, day_night.TABLE)]}.get(config.dataset, ())
    files.update({os.path.basename(path): path for path in own if os.path.isfile(path)})
    return files


def _gldv2(config: BuildConfig) -> ImageCollection:
    if config.part == "index":
        return gldv2_evaluation.read_index(config.index_csv, config.index_labels_csv)
    if config.part == "test":
        return gldv2_evaluation.read_test(config.test_csv, config.recognition_solution_csv,
                                          config.retrieval_solution_csv, config.index_csv)
    return _to_train(gldv2.read_images(config.train_csv, config.train_clean_csv, config.exclude_csv))


def _revisited(config: BuildConfig) -> ImageCollection:
    ground_truth = revisited.read_ground_truth(config.ground_truth)
    query_bboxes = [entry["bbx"] for entry in ground_truth["gnd"]]
    return ImageCollection([SplitImages("query", ground_truth["qimlist"], query_bboxes=query_bboxes),
                            SplitImages("index", ground_truth["imlist"])],
                           path_finder(config.images_dir), ground_truth=ground_truth)


def _day_night(config: BuildConfig) -> ImageCollection:
    return day_night.read_collection(config.images_dir, config.validation_fraction, config.test_fraction,
                                     config.seed, config.pair_frames)


def _landmarks(config: BuildConfig) -> ImageCollection:
    table = config.landmarks_json or landmarks.find_table(config.images_dir)
    return _to_train(landmarks.read_images(config.images_dir, table))


def _to_train(images: LabelledImages) -> ImageCollection:
    return ImageCollection([SplitImages("train", images.ids, landmarks=images.landmarks)], images.path_of)


_READERS: dict[str, Callable[[BuildConfig], ImageCollection]] = {
    "gldv2": _gldv2,
    "revisited": _revisited,
    "distractors": lambda config: distractors.read_collection(config.images_dir, config.image_list),
    "cub": lambda config: cub.read_collection(config.images_dir, config.class_split),
    "dogs": lambda config: dogs.read_collection(config.images_dir, config.class_split),
    "day_night": _day_night,
    "landmarks": _landmarks,
    "folder": lambda config: folder.read_collection(config.images_dir, config.test_image_fraction,
                                                    config.seed),
    "list": lambda config: image_list.read_collection(config.images_dir, config.image_list),
}
