"""Where the public sets are published, with the sizes and checksums that are known: facts only.

`size`, `md5` and `sha256` are exact, from the publisher or from a library that checks them; where neither
gives one it is None. `about` is a rough size, for the estimate of disk and time before the server is asked.
"""

from __future__ import annotations

import dataclasses

_GLDV2 = "https://s3.amazonaws.com/google-landmark"
_OXFORD = "https://www.robots.ox.ac.uk/~vgg/data/oxbuildings"
_PARIS = "https://www.robots.ox.ac.uk/~vgg/data/parisbuildings"
_REVISITED = "http://cmp.felk.cvut.cz/revisitop/data/datasets"
_DISTRACTORS = "http://ptak.felk.cvut.cz/revisitop/revisitop1m"
_CUB = "https://data.caltech.edu/records/65de6-vp158/files"
_DOGS = "http://vision.stanford.edu/aditya86/ImageNetDogs"


@dataclasses.dataclass(frozen=True)
class PublicFile:
    """One file: published as base_url/path, kept as output_dir/path."""

    base_url: str
    path: str
    size: int | None = None  # bytes, exact
    about: int | None = None  # bytes, roughly
    md5: str | None = None
    sha256: str | None = None
    md5_path: str | None = None  # under base_url, of a published file that begins with the MD5
    part: int | None = None  # number of this file among many of its kind, as published


@dataclasses.dataclass(frozen=True)
class PublicSet:
    """The files of a set, and what to do with them."""

    homepage: str  # terms and licences
    files: tuple[PublicFile, ...]
    next_command: str  # {dir}: the output folder, {images}: one of the two below
    archives: str = ""  # the images while they are packed; empty: shards cannot be built from them
    unpacked_images: str = ""  # the images once they are unpacked
    unpack_dir: str = ""  # folder in the output folder that the archives unpack into; empty: no archives
    flat: bool = False  # drop the folders inside the archives
    unpack: bool = False  # by default


def _gldv2_tables(*paths: str) -> tuple[PublicFile, ...]:
    return tuple(PublicFile(_GLDV2, path) for path in paths)


def _gldv2_tars(split: str, count: int, about: int) -> tuple[PublicFile, ...]:
    return tuple(PublicFile(_GLDV2, f"{split}/images_{part:03d}.tar", about=about, part=part,
                            md5_path=f"md5sum/{split}/md5.images_{part:03d}.txt") for part in range(count))


def _gldv2_set(split: str, tars: tuple[PublicFile, ...], tables: tuple[PublicFile, ...],
               flags: str) -> PublicSet:
    return PublicSet(
        homepage="https://github.com/cvdfoundation/google-landmark", files=tables + tars,
        next_command=f"python -m data_prep.build_tfrecords --dataset=gldv2 {{images}} {flags} "
                     f"--output_dir={{dir}}/{split}_shards",
        archives=f"--from_tars='{{dir}}/{split}/images_*.tar'",
        unpack_dir=f"{split}_images", unpacked_images=f"--images_dir={{dir}}/{split}_images")


def _revisited_set(name: str, archives: tuple[PublicFile, ...]) -> PublicSet:
    ground_truth = PublicFile(f"{_REVISITED}/{name}", f"gnd_{name}.mat")
    return PublicSet(
        homepage="http://cmp.felk.cvut.cz/revisitop", files=(ground_truth, *archives),
        next_command="python -m data_prep.build_tfrecords --dataset=revisited {images} "
                     f"--ground_truth={{dir}}/gnd_{name}.mat --output_dir={{dir}}/shards",
        unpack_dir="jpg", unpacked_images="--images_dir={dir}/jpg", flat=True, unpack=True)


_TRAIN_TABLES = _gldv2_tables("metadata/train.csv", "metadata/train_clean.csv")
_INDEX_TABLES = _gldv2_tables("metadata/index.csv", "metadata/index_image_to_landmark.csv")
_TEST_TABLES = _gldv2_tables("metadata/test.csv", "ground_truth/recognition_solution_v2.1.csv",
                             "ground_truth/retrieval_solution_v2.1.csv")

PUBLIC_SETS = {
    "gldv2_train": _gldv2_set(  # 4,132,914 images
        "train", _gldv2_tars("train", 500, about=1_000_000_000), _TRAIN_TABLES,
        "--train_csv={dir}/metadata/train.csv --train_clean_csv={dir}/metadata/train_clean.csv"),
    "gldv2_index": _gldv2_set(  # 761,757 images
        "index", _gldv2_tars("index", 100, about=850_000_000), _INDEX_TABLES,
        "--part=index --index_csv={dir}/metadata/index.csv "
        "--index_labels_csv={dir}/metadata/index_image_to_landmark.csv"),
    "gldv2_test": _gldv2_set(  # 117,577 images
        "test", _gldv2_tars("test", 20, about=500_000_000), _TEST_TABLES,
        "--part=test --test_csv={dir}/metadata/test.csv "
        "--recognition_solution_csv={dir}/ground_truth/recognition_solution_v2.1.csv "
        "--retrieval_solution_csv={dir}/ground_truth/retrieval_solution_v2.1.csv"),
    "gldv2_metadata": PublicSet(
        homepage="https://github.com/cvdfoundation/google-landmark",
        files=_TRAIN_TABLES + _INDEX_TABLES + _TEST_TABLES + _gldv2_tables(
            "metadata/train_attribution.csv", "metadata/train_label_to_category.csv",
            "metadata/train_label_to_hierarchical.csv", "metadata/index_label_to_category.csv",
            "metadata/index_label_to_hierarchical.csv"),
        next_command="python -m data_prep.download --dataset=gldv2_train --output_dir={dir}"),
    "roxford": _revisited_set("roxford5k", (
        PublicFile(_OXFORD, "oxbuild_images-v1.tgz", about=1_940_000_000),)),
    "rparis": _revisited_set("rparis6k", (
        PublicFile(_PARIS, "paris_1-v1.tgz"), PublicFile(_PARIS, "paris_2-v1.tgz"))),
    "distractors": PublicSet(  # 1,001,001 images, without labels
        homepage="http://cmp.felk.cvut.cz/revisitop",
        files=(PublicFile(_DISTRACTORS, "revisitop1m.txt"), *(
            PublicFile(f"{_DISTRACTORS}/jpg", f"revisitop1m.{part}.tar.gz", part=part)
            for part in range(1, 101))),
        next_command="python -m data_prep.build_tfrecords --dataset=distractors {images} "
                     "--output_dir={dir}/shards",
        unpack_dir="jpg", unpacked_images="--images_dir={dir}/jpg", unpack=True),
    "cub": PublicSet(  # 11,788 images
        homepage="https://data.caltech.edu/records/65de6-vp158",
        files=(PublicFile(_CUB, "CUB_200_2011.tgz", size=1_150_585_339,
                          md5="97eceeb196236b17998738112f37df78",
                          sha256="0c685df5597a8b24909f6a7c9db6d11e008733779a671760afef78feb49bf081"),),
        next_command="python -m data_prep.build_tfrecords --dataset=cub {images} --output_dir={dir}/shards",
        unpack_dir="unpacked", unpacked_images="--images_dir={dir}/unpacked/CUB_200_2011", unpack=True),
    "dogs": PublicSet(  # 20,580 images
        homepage="http://vision.stanford.edu/aditya86/ImageNetDogs",
        files=(PublicFile(_DOGS, "images.tar", size=793_579_520, md5="1bb1f2a596ae7057f99d7d75860002ef",
                          sha256="a443fc2f9a851aa1a7b8e4fa4af94b8459fce2c9f5a2f4dd4669cf9673a4ec58"),
               PublicFile(_DOGS, "annotation.tar", size=21_852_160, md5="4298cc0031f6bc6e74612ac83b5988e2",
                          sha256="662ed36f707be6b195c2fda392d8e153e83af28cedc8e2134a649f198def30fd"),
               PublicFile(_DOGS, "lists.tar", size=481_280, md5="edbb9f16854ec66506b5f09b583e0656",
                          sha256="34b47cacd9a98b5d150e084f24d29391c084c55272295ec65c85651bc35f4d6c")),
        next_command="python -m data_prep.build_tfrecords --dataset=dogs {images} --output_dir={dir}/shards",
        unpack_dir="unpacked", unpacked_images="--images_dir={dir}/unpacked", unpack=True),
}


def choose_parts(files: tuple[PublicFile, ...], parts: str) -> tuple[PublicFile, ...]:
    """The files whose part is among `parts`, such as 0-9,20, and those that are no parts; empty: all.

    Raises:
        ValueError: if `parts` is not of that form, names a part that does not exist, or the set has none.
    """
    if not parts:
        return files
    numbers = {file.part for file in files if file.part is not None}
    if not numbers:
        raise ValueError(f"`parts` needs a set that is published in parts. Received: parts={parts}.")
    chosen: set[int] = set()
    for piece in parts.split(","):
        first, dash, last = piece.strip().partition("-")
        if not (first.isdecimal() and (last.isdecimal() if dash else True)):
            raise ValueError(f"`parts` must be numbers and ranges such as 0-9,20. Received: parts={parts}.")
        low, high = int(first), int(last if dash else first)
        if low > high or low not in numbers or high not in numbers:
            raise ValueError(f"`parts` must lie between {min(numbers)} and {max(numbers)}, lower end first. "
                             f"Received: parts={parts}.")
        chosen.update(range(low, high + 1))
    return tuple(file for file in files if file.part is None or file.part in chosen)


def next_command(name: str, output_dir: str, unpacked: bool) -> str:
    """The command that the user of a set wants after its download."""
    public_set = PUBLIC_SETS[name]
    if public_set.unpack_dir and not (unpacked or public_set.archives):
        return f"python -m data_prep.download --dataset={name} --output_dir={output_dir} --unpack"
    images = public_set.unpacked_images if unpacked else public_set.archives
    return public_set.next_command.replace("{images}", images).replace("{dir}", output_dir)
