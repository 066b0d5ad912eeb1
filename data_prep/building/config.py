"""Settings of a build of TFRecord shards."""

from __future__ import annotations

import dataclasses

from data_prep.images import image_headers
from data_prep.stage.settings import check_fields, setting

DATASETS = ("gldv2", "revisited", "distractors", "cub", "dogs", "day_night", "landmarks", "folder", "list")
PARTS = ("train", "index", "test")
CLASS_SPLITS = ("official", "unseen")

# Settings that mean something to some sets only, and the sets.
SETTINGS_OF = {
    "part": ("gldv2",), "train_csv": ("gldv2",), "train_clean_csv": ("gldv2",), "exclude_csv": ("gldv2",),
    "index_csv": ("gldv2",), "index_labels_csv": ("gldv2",), "test_csv": ("gldv2",),
    "recognition_solution_csv": ("gldv2",), "retrieval_solution_csv": ("gldv2",),
    "ground_truth": ("revisited",), "class_split": ("cub", "dogs"), "test_fraction": ("day_night",),
    "test_image_fraction": ("folder",),
    "pair_frames": ("day_night",), "landmarks_json": ("landmarks",), "image_list": ("list", "distractors"),
    "from_tars": ("gldv2", "list", "distractors"),
}
# Tables of gldv2, and the parts they belong to.
_PARTS_OF = {
    "train_csv": ("train",), "train_clean_csv": ("train",), "exclude_csv": ("train",),
    "index_csv": ("index", "test"), "index_labels_csv": ("index",), "test_csv": ("test",),
    "recognition_solution_csv": ("test",), "retrieval_solution_csv": ("test",),
}


@dataclasses.dataclass(frozen=True)
class BuildConfig:
    """One build of TFRecord shards. Every value is one that JSON can hold."""

    dataset: str = setting(help="what the images are, and how they lie", choices=DATASETS)
    images_dir: str = setting(
        help="folder of the images; gldv2: the one with 0/ to f/; folder: the one of the classes; cub, dogs, "
        "day_night: the set's own; revisited, landmarks: the one with jpg/ or the images; empty with "
        "from_tars")
    output_dir: str = setting(help="folder that the shards and dataset.json are written to")
    num_shards: int = setting(
        0, help="shards per split, never more than it has images; 0: about 128 MB each", range="[0, 99999]")
    validation_fraction: float = setting(
        0.2, help="share of the images of the training classes that goes to the split validation, the 80/20 "
        "of the DELG paper by default; day_night: share of the sequences", range="[0, 1)")
    heldout_class_fraction: float = setting(
        0.0, help="share of the classes that goes whole to the split heldout, kept from training to judge "
        "retrieval", range="[0, 1)")
    seed: int = setting(0, help="seed of the splits and of the order of the images", range="[0, inf)")
    max_bad_fraction: float = setting(
        0.05, help="share of the images that may be bad; more of them stop the build", range="[0, 1]")
    max_pixels: int = setting(
        image_headers.MAX_PIXELS, help="images of more pixels are left out", unit="pixels", range="[1, inf)")
    upright: bool = setting(
        True, help="turn images by their EXIF orientation; never for revisited, whose boxes mean stored "
        "pixels")
    decode_check: bool = setting(
        False, help="decode every JPEG fully, instead of checking headers and structure only")
    from_tars: str = setting(
        "", help="gldv2, list, distractors: glob of tar files with the images, instead of images_dir")
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
    ground_truth: str = setting("", help="revisited: .mat, .pkl or .json with imlist, qimlist and gnd")
    class_split: str = setting(
        "official", help="cub, dogs: how classes are split; unseen: the first half of the classes trains, "
        "the other tests", choices=CLASS_SPLITS)
    test_fraction: float = setting(
        0.2, help="day_night: share of the sequences that goes to the split test", range="[0, 1)")
    test_image_fraction: float = setting(
        0.0, help="folder: share of the images of each class that goes to the split test", range="[0, 1)")
    pair_frames: bool = setting(
        False, help="day_night: files of equal name, in one sequence, show the same view by day and by night")
    landmarks_json: str = setting(
        "", help="landmarks: table of each image's landmark; empty: the landmarks.json beside the images")
    image_list: str = setting(
        "", help="list, distractors: a path a line; list: and a label, after a tab or a comma")

    def __post_init__(self):
        check_fields(self)
        if not (self.images_dir or self.from_tars):
            raise ValueError("A build needs `images_dir` or `from_tars`. Received: neither.")
        self._check_set()

    @property
    def turns_upright(self) -> bool:
        """Whether images are turned by their EXIF orientation: the boxes of revisited mean stored pixels."""
        return self.upright and self.dataset != "revisited"

    def _check_set(self) -> None:
        default = {field.name: field.default for field in dataclasses.fields(self)}
        for name, datasets in SETTINGS_OF.items():
            value = getattr(self, name)
            if self.dataset not in datasets and value != default[name]:
                raise ValueError(f"`{name}` belongs to dataset={' or '.join(datasets)}. "
                                 f"Received: {name}={value} with dataset={self.dataset}.")
        if self.dataset == "gldv2":
            for name, parts in _PARTS_OF.items():
                if self.part not in parts and getattr(self, name):
                    raise ValueError(f"`{name}` belongs to part={' or '.join(parts)}. "
                                     f"Received: {name}={getattr(self, name)} with part={self.part}.")
            if self.part == "train" and not (self.train_csv or self.train_clean_csv):
                raise ValueError("dataset=gldv2 needs `train_csv` or `train_clean_csv`. Received: neither.")
            if self.part != "train":
                self._need(f"{self.part}_csv", f"part={self.part}")
        if self.dataset == "day_night" and self.heldout_class_fraction:
            raise ValueError("`heldout_class_fraction` must be 0 for dataset=day_night, which splits by "
                             "sequence. Received: heldout_class_fraction="
                             f"{self.heldout_class_fraction}.")
        if self.dataset == "distractors" and self.from_tars:
            self._need("image_list", "dataset=distractors with `from_tars`")
        needed = {"revisited": "ground_truth", "list": "image_list"}
        if self.dataset in needed:
            self._need(needed[self.dataset], f"dataset={self.dataset}")

    def _need(self, name: str, reason: str) -> None:
        if not getattr(self, name):
            raise ValueError(f"{reason} needs `{name}`. Received: none.")
