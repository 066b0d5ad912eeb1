"""Settings of a build of TFRecord shards."""

from __future__ import annotations

import dataclasses

from data_prep.images import image_headers

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

    dataset: str
    images_dir: str  # may be empty with from_tars
    output_dir: str
    num_shards: int = 0  # per split, never more than it has images; 0: about 128 MB each
    validation_fraction: float = 0.2  # of the images of the training classes; the 80/20 of the DELG paper
    heldout_class_fraction: float = 0.0  # of the classes, kept from training to judge retrieval
    seed: int = 0
    max_bad_fraction: float = 0.05  # of all images; more bad ones stop the build
    max_pixels: int = image_headers.MAX_PIXELS  # per image; larger ones are left out
    upright: bool = True  # turn images by their EXIF orientation; see turns_upright
    decode_check: bool = False  # decode every JPEG fully, instead of checking headers and structure
    from_tars: str = ""  # gldv2, list, distractors: glob of tars with the images
    part: str = "train"  # gldv2: one of PARTS
    train_csv: str = ""  # gldv2
    train_clean_csv: str = ""  # gldv2
    exclude_csv: str = ""  # gldv2: images and landmarks to leave out of training
    index_csv: str = ""  # gldv2
    index_labels_csv: str = ""  # gldv2
    test_csv: str = ""  # gldv2
    recognition_solution_csv: str = ""  # gldv2
    retrieval_solution_csv: str = ""  # gldv2
    ground_truth: str = ""  # revisited
    class_split: str = "official"  # cub, dogs: one of CLASS_SPLITS
    test_fraction: float = 0.2  # day_night: of the sequences; validation_fraction is of them too
    test_image_fraction: float = 0.0  # folder: of the images of each class, to the split test
    pair_frames: bool = False  # day_night: files of equal name show the same view by day and by night
    landmarks_json: str = ""  # landmarks; empty: the landmarks.json of the images' folder
    image_list: str = ""  # list, distractors

    def __post_init__(self):
        for name, choices in (("dataset", DATASETS), ("part", PARTS), ("class_split", CLASS_SPLITS)):
            if getattr(self, name) not in choices:
                raise ValueError(f"`{name}` must be one of {', '.join(choices)}. "
                                 f"Received: {name}={getattr(self, name)!r}.")
        for name, least in (("num_shards", 0), ("seed", 0), ("max_pixels", 1)):
            value = getattr(self, name)
            if value < least:
                raise ValueError(f"`{name}` must be at least {least}. Received: {name}={value}.")
        if self.num_shards > 99_999:
            raise ValueError(f"`num_shards` must be below 100000. Received: num_shards={self.num_shards}.")
        if not 0 <= self.max_bad_fraction <= 1:
            raise ValueError("`max_bad_fraction` must be in [0, 1]. "
                             f"Received: max_bad_fraction={self.max_bad_fraction}.")
        for name in ("validation_fraction", "heldout_class_fraction", "test_fraction",
                     "test_image_fraction"):
            value = getattr(self, name)
            if not 0 <= value < 1:
                raise ValueError(f"`{name}` must be in [0, 1). Received: {name}={value}.")
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
