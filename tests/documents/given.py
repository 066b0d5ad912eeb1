"""What the pages take for given: photographs, published sets, features of others; all tiny and made up."""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import hashlib
import io
import json
import os
import pathlib
import socket
import tarfile
import tempfile
from collections.abc import Mapping

import cv2
import numpy as np
from scipy import io as matlab

from delg.exchange import conversion
from delg.exports.extraction_module import ExtractionModule
from delg.features.reader import FeatureReader
from delg.serving import photographs as served_photographs
from delg.serving import routes
from delg.serving.service import Service
from delg.settings.serving import ServeConfig
from tests.fixtures import planar_world, published_sets, scripts, served
from tests.fixtures.tiny_extraction import RECEPTIVE_FIELD, tiny_model

with socket.create_server(("127.0.0.1", 0)) as _free:
    SERVED_AT = f"127.0.0.1:{_free.getsockname()[1]}"
LANDMARKS = ("arch", "dome", "gate", "tower")
_VIEWS = 4
Files = dict[str, bytes]  # by path


def view(landmark: int, number: int) -> bytes:
    """A JPEG of 80 x 64 pixels; those of one landmark are shifted against each other."""
    colours = np.random.default_rng(landmark).integers(0, 255, (8, 8, 3), np.uint8)
    return cv2.imencode(".jpg", np.roll(cv2.resize(colours, (80, 64)), 4 * number, axis=1))[1].tobytes()


def write(files: Mapping[str, bytes | str]) -> None:
    """Writes files below the current folder, and the folders they stand in."""
    for path, content in files.items():
        os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
        pathlib.Path(path).write_bytes(content.encode() if isinstance(content, str) else content)


def photographs() -> None:
    """`photos`, a folder per landmark, and places.csv of some; A.jpg and B.jpg, two views of one."""
    write({f"photos/{name}/{number}.jpg": view(place, number)
           for place, name in enumerate(LANDMARKS) for number in range(_VIEWS)})
    write({f"{name}.jpg": view(0, number) for number, name in enumerate("AB")})
    write({"places.csv": "image,latitude,longitude\narch/1.jpg,48.2,16.37\ndome/0,-33.86,151.21\n"})


def photographs_and_model(saved_model: str = "photos.found/model") -> None:
    """`photographs`, and a small model, by default where `delg.find_images` makes one by itself."""
    photographs()
    ExtractionModule(tiny_model(), RECEPTIVE_FIELD, attention_threshold=0.0).save(saved_model)


def photographs_served() -> None:
    """`photographs_and_model`, and a server of them at SERVED_AT for as long as this process lives."""
    photographs_and_model()
    config = ServeConfig(images_dir=os.path.abspath("photos"), work_dir=os.path.abspath("photos.found"))
    stack = contextlib.ExitStack()
    atexit.register(stack.close)
    found = stack.enter_context(served_photographs.opened(config))
    app = routes.build_app(Service(found, config), config)
    stack.enter_context(served.running(app, SERVED_AT))


def day_night() -> None:
    """`my_photos` with day/, night/ and a places.csv that names no frames."""
    rows = [(f"{domain}/{place}.jpg", domain, f"place{place}")
            for place in range(8) for domain in ("day", "night")]
    write({f"my_photos/{path}": view(int(place[-1]), 0) for path, _, place in rows})
    write({"my_photos/places.csv": "\n".join(map(",".join, [("file", "domain", "place"), *rows]))})


def list_of_photographs() -> None:
    """list.txt, with paths from the root folder on."""
    photographs()
    here = os.getcwd().lstrip("/")
    write({"list.txt": "".join(f"{here}/photos/{name}/0.jpg\n" for name in LANDMARKS)})


def overlap() -> None:
    """overlap.csv, with one image of the made-up Google Landmarks."""
    write({"overlap.csv": f"id\na00{'0' * 13}\n"})


def ranking() -> None:
    """`features` of queries and index images, and ranking.h5."""
    os.mkdir("features")
    planar_world.write_world(pathlib.Path("features"))
    for module, flags in (("build_index", {"features_dir": "features/index-*.h5", "index_dir": "index"}),
                          ("search_images", {"query_features": "features/query-*.h5", "min_inliers": 12,
                                             "index_features": "features/index-*.h5", "index_dir": "index",
                                             "output": "ranking.h5", "num_workers": 1})):
        scripts.run(f"delg.{module}", **flags)


def features_to_index() -> None:
    """`features` of queries and index images, `more` of others, and gone.txt, with an image of the index."""
    os.mkdir("features")
    planar_world.write_world(pathlib.Path("features"))
    features_of_others()
    with FeatureReader("features/index-*.h5") as reader:
        write({"gone.txt": f"{reader.ids[-1]}\n"})


def truth_of_features() -> None:
    """gnd.json for `features`: every photograph finds the others of its landmark."""
    with FeatureReader("features") as reader:
        names = list(reader.ids)
    others = [[row for row, other in enumerate(names)
               if other != name and os.path.dirname(other) == os.path.dirname(name)] for name in names]
    write({"gnd.json": json.dumps({"imlist": names, "qimlist": names, "gnd": [
        {"bbx": [0, 0, 80, 64], "easy": rows, "hard": [], "junk": [row]}
        for row, rows in enumerate(others)]})})


def features_of_others() -> None:
    """`more` and `other`: `features` under other names."""
    with FeatureReader("features") as reader:
        config, images = reader.config, list(conversion.read_images("features", "shards"))
    for folder in ("more", "other"):
        os.mkdir(folder)
        conversion.write_images(f"{folder}/index-00000-of-00001.h5", "shards", [
            dataclasses.replace(image, id=f"{folder}/{image.id}") for image in images], config, "float16")


def tar(files: Mapping[str, bytes], mode: str = "w") -> bytes:
    """A tar file."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for path, content in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def published() -> Files:
    """What the servers of the public sets hold."""
    return {f"/{path}": content for files in (_cub(), _dogs(), _roxford(), _gldv2())
            for path, content in files.items()}


def _cub() -> Files:
    files = _written(published_sets.write_cub)
    return {"CUB_200_2011.tgz": tar({f"CUB_200_2011/{path}": files[path] for path in files}, "w:gz")}


def _dogs() -> Files:
    files = _written(published_sets.write_dogs)
    lists = {os.path.basename(path): files[path] for path in files if path.startswith("lists/")}
    return {"images.tar": tar({path: files[path] for path in files if path.startswith("Images/")}),
            "lists.tar": tar(lists), "annotation.tar": tar({"Annotation/n01-Pug/train": b"<annotation/>"})}


def _written(write_set) -> Files:
    with tempfile.TemporaryDirectory() as folder:
        write_set(folder, 10)  # of two classes: more images than codes have bits
        return {str(path.relative_to(folder)): path.read_bytes()
                for path in pathlib.Path(folder).rglob("*") if path.is_file()}


def _roxford() -> Files:
    index = [f"{landmark}_{number}" for landmark in range(4) for number in range(1, _VIEWS)]
    queries = [f"{landmark}_0" for landmark in range(4)]
    truth = np.zeros(len(queries), [(name, object) for name in ("bbx", "easy", "hard", "junk")])
    for row in range(len(queries)):
        shown = 3 * row + np.arange(1, _VIEWS)  # counted from 1
        truth[row] = (np.array([4, 4, 76, 60]), shown[:2], shown[2:], np.array([], int))
    stored = io.BytesIO()
    matlab.savemat(stored, {"imlist": np.array(index, object), "qimlist": np.array(queries, object),
                            "gnd": truth})
    images = {f"{name}.jpg": view(*map(int, name.split("_"))) for name in index + queries}
    return {"gnd_roxford5k.mat": stored.getvalue(), "oxbuild_images-v1.tgz": tar(images, "w:gz"),
            "revisitop1m.txt": b"0000/1.jpg\n0000/2.jpg\n",
            "revisitop1m.1.tar.gz": tar({f"0000/{n}.jpg": view(10 + n, 0) for n in (1, 2)}, "w:gz")}


def _gldv2() -> Files:
    """Of each of four landmarks an image to ask with, two to search among, four to train on."""
    ids = {split: {f"{start}{landmark}{number}{'0' * 13}": (landmark, number)
                   for landmark in range(4) for number in range(count)}
           for start, split, count in (("a", "train", _VIEWS), ("b", "index", 2), ("c", "test", 1))}

    def rows(split: str) -> str:
        return "".join(f"{name},{landmark},Public\n" for name, (landmark, _) in ids[split].items())

    def of_landmark(split: str, landmark: int) -> str:
        return " ".join(name for name, (shown, _) in ids[split].items() if shown == landmark)

    tables = {
        "metadata/train": f"id,landmark_id,x\n{rows('train')}",
        "metadata/train_clean": "landmark_id,images\n" + "".join(
            f"{landmark},{of_landmark('train', landmark)}\n" for landmark in range(4)),
        "metadata/index": "\n".join(["id", *ids["index"]]), "metadata/test": "\n".join(["id", *ids["test"]]),
        "metadata/index_image_to_landmark": f"id,landmark_id,x\n{rows('index')}",
        "ground_truth/recognition_solution_v2.1": f"id,landmarks,Usage\n{rows('test')}",
        "ground_truth/retrieval_solution_v2.1": "id,images,Usage\n" + "".join(
            f"{name},{of_landmark('index', landmark)},Private\n"
            for name, (landmark, _) in ids["test"].items()),
        **{f"metadata/{name}": "id\n" for name in (
            "train_attribution", "train_label_to_category", "train_label_to_hierarchical",
            "index_label_to_category", "index_label_to_hierarchical")}}
    files = {f"{path}.csv": text.encode() for path, text in tables.items()}
    for split, images in ids.items():
        archive = tar({f"{'/'.join(name[:3])}/{name}.jpg": view(*shown) for name, shown in images.items()})
        files[f"{split}/images_000.tar"] = archive
        files[f"md5sum/{split}/md5.images_000.txt"] = hashlib.md5(archive).hexdigest().encode()
    return files
