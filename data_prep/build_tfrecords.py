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
from data_prep.build_plan import DATASETS, BuildConfig

_HELP = {
    "images_dir": "Folder of the images: for gldv2 the one with 0/ to f/, for folder the one with the "
                  "classes, else the one with jpg/ or the images themselves.",
    "output_dir": "Folder of the shards.",
    "num_shards": "Shards per split, never more than it has images; 0: about 128 MB each.",
    "validation_fraction": "Share of the images of the training classes that goes to the split `validation`.",
    "heldout_class_fraction": "Share of the classes that goes whole to the split `heldout`.",
    "seed": "Of splits and order.",
    "num_workers": "Threads; 0: one per processor.",
    "max_bad_fraction": "Share of the images that may be bad; more of them stop the build.",
    "max_pixels": "Images of more pixels are left out.",
    "train_csv": "gldv2: table with columns id and landmark_id.",
    "train_clean_csv": "gldv2: table with columns landmark_id and images; only those images are taken.",
    "ground_truth": "revisited: .mat, .pkl or .json with imlist, qimlist and gnd.",
    "landmarks_json": "landmarks: table of each image's landmark; by default the one beside the images.",
}
_DEFINE = {"int": flags.DEFINE_integer, "float": flags.DEFINE_float, "str": flags.DEFINE_string}

flags.DEFINE_enum("dataset", None, DATASETS, "What the images are, and how they lie.", required=True)
for _field in dataclasses.fields(BuildConfig)[1:]:
    _default = None if _field.default is dataclasses.MISSING else _field.default
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
