"""Writes a collection of images as TFRecord shards with a dataset.json beside them.

    python -m data_prep.build_tfrecords --dataset=gldv2 --images_dir=train --train_csv=train.csv \\
        --train_clean_csv=train_clean.csv --output_dir=build/train
    python -m data_prep.build_tfrecords --dataset=revisited --images_dir=oxford/jpg \\
        --ground_truth=gnd_roxford5k.mat --output_dir=build/eval
    python -m data_prep.build_tfrecords --dataset=folder --images_dir=photos --output_dir=build/train

Images are stored as they are; each is checked and decoded once. Bad ones are left out and listed in
dataset.json. Run it again after an interruption: finished shards stay. An image of 512 pixels takes about
1 ms of one processor, if the disk keeps up.
"""

from __future__ import annotations

import dataclasses

from absl import flags

from data_prep import building, command_line
from data_prep.build_config import CLASS_SPLITS, DATASETS, PARTS, BuildConfig

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
    "num_workers": "Threads; 0: one per processor.",
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
    "pair_frames": "day_night: files of equal name, in one sequence, show the same view by day and by night.",
    "landmarks_json": "landmarks: table of each image's landmark; by default the one beside the images.",
    "image_list": "list, distractors: a path a line; list: and a label, after a tab or a comma.",
}
_DEFINE = {"int": flags.DEFINE_integer, "float": flags.DEFINE_float, "str": flags.DEFINE_string,
           "bool": flags.DEFINE_bool}
_CHOICES = {"dataset": DATASETS, "part": PARTS, "class_split": CLASS_SPLITS}
_REQUIRED = ("dataset", "output_dir")

for _field in dataclasses.fields(BuildConfig):
    _default = "" if _field.default is dataclasses.MISSING else _field.default
    _default = None if _field.name in _REQUIRED else _default
    if _field.name in _CHOICES:
        flags.DEFINE_enum(_field.name, _default, _CHOICES[_field.name], _HELP[_field.name],
                          required=_default is None)
    else:
        _DEFINE[_field.type](_field.name, _default, _HELP[_field.name], required=_default is None)


def main(_: list[str]) -> None:
    names = [field.name for field in dataclasses.fields(BuildConfig)]
    manifest = building.build(BuildConfig(**{name: flags.FLAGS[name].value for name in names}))
    for name, split in manifest.splits.items():
        classes = f" of {split.num_classes} classes" if split.label_range else ""
        print(f"{name}: {split.num_examples} images{classes} in {len(split.shards)} shards")
    print(f"left out: {len(manifest.left_out)} images; see {manifest.path}")


if __name__ == "__main__":
    command_line.run(main)
