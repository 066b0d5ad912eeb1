"""The flags of data_prep.build_tfrecords: one for each setting of a build and of its job."""

from __future__ import annotations

import dataclasses
from typing import Any

from absl import flags

from data_prep.building.config import CLASS_SPLITS, DATASETS, PARTS, BuildConfig
from data_prep.stage.jobs import JobConfig

flags.disclaim_key_flags()  # the flags count as those of the script, so that its --help lists them
_HELP = {
    "dataset": "What the images are, and how they lie.",
    "images_dir": "Folder of the images. gldv2: the one with 0/ to f/; folder: the one of the classes; cub, "
                  "dogs, day_night: the set's own; revisited, landmarks: the one with jpg/ or the images.",
    "output_dir": "Folder of the shards.",
    "num_shards": "Shards per split, never more than it has images; 0: about 128 MB each.",
    "validation_fraction": "Share of the images of the training classes that goes to the split `validation`; "
                           "day_night: share of the sequences.",
    "heldout_class_fraction": "Share of the classes that goes whole to the split `heldout`.",
    "seed": "Of splits and order.",
    "max_bad_fraction": "Share of the images that may be bad; more of them stop the build.",
    "max_pixels": "Images of more pixels are left out.",
    "upright": "Turn images by their EXIF orientation; never for revisited, whose boxes mean stored pixels.",
    "decode_check": "Decode every JPEG fully, instead of checking headers and structure only.",
    "from_tars": "gldv2, list, distractors: glob of tar files with the images, instead of images_dir.",
    "part": "gldv2: the part of the set.",
    "train_csv": "gldv2 train: table with columns id and landmark_id.",
    "train_clean_csv": "gldv2 train: table with columns landmark_id and images; only those images are taken.",
    "exclude_csv": "gldv2 train: images and landmarks to leave out; one a line, or columns id, landmark_id.",
    "index_csv": "gldv2 index: table with column id; gldv2 test: what the retrieval solution is checked by.",
    "index_labels_csv": "gldv2 index: table with columns id and landmark_id, to give the images labels.",
    "test_csv": "gldv2 test: table with column id.",
    "recognition_solution_csv": "gldv2 test: table with columns id, landmarks and Usage.",
    "retrieval_solution_csv": "gldv2 test: table with columns id, images and Usage.",
    "ground_truth": "revisited: .mat, .pkl or .json with imlist, qimlist and gnd.",
    "class_split": "cub, dogs: official, or unseen: the first half of the classes trains, the other tests.",
    "test_fraction": "day_night: share of the sequences that goes to the split `test`.",
    "test_image_fraction": "folder: share of the images of each class that goes to the split `test`.",
    "pair_frames": "day_night: files of equal name, in one sequence, show the same view by day and by night.",
    "landmarks_json": "landmarks: table of each image's landmark; by default the one beside the images.",
    "image_list": "list, distractors: a path a line; list: and a label, after a tab or a comma.",
    "runner": "Where to run: embedded, on this machine, or a Beam runner such as FlinkRunner, SparkRunner, "
              "DataflowRunner; images_dir and output_dir must then be seen by all workers.",
    "runner_options": "An option of the Beam runner, such as --flink_master=host:8081; to be repeated.",
    "num_workers": "Threads of the embedded runner; 0: one per processor.",
}

_CHOICES = {"dataset": DATASETS, "part": PARTS, "class_split": CLASS_SPLITS}
_REQUIRED = ("dataset", "output_dir")
_DEFINE = {"int": flags.DEFINE_integer, "float": flags.DEFINE_float, "str": flags.DEFINE_string,
           "bool": flags.DEFINE_bool, "tuple[str, ...]": flags.DEFINE_multi_string}


def define_flags() -> None:
    """Defines a flag for each field of BuildConfig and JobConfig, of the same name and default."""
    for field in (*dataclasses.fields(BuildConfig), *dataclasses.fields(JobConfig)):
        default: Any = "" if field.default is dataclasses.MISSING else field.default
        if field.name in _REQUIRED:
            default = None
        if field.name in _CHOICES:
            flags.DEFINE_enum(field.name, default, _CHOICES[field.name], _HELP[field.name],
                              required=default is None)
        else:
            _DEFINE[field.type](field.name, default, _HELP[field.name], required=default is None)


def configs_from_flags() -> tuple[BuildConfig, JobConfig]:
    """The settings that the parsed flags give.

    Raises:
        ValueError: for settings that make no sense.
    """
    def values(config_class: type) -> dict[str, Any]:
        return {field.name: flags.FLAGS[field.name].value for field in dataclasses.fields(config_class)}

    job = values(JobConfig)
    return BuildConfig(**values(BuildConfig)), JobConfig(**{**job, "runner_options":
                                                            tuple(job["runner_options"])})
