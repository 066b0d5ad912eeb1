"""A folder of photographs with its work folder: the model, features and index, kept up to date.

The work folder holds `model/` (a SavedModel, where none is named), `features/` (see
`delg.features.folder_features`), `index/` of global descriptors, `local_index/` of local features where there
are any, and `collection.json`: the folder of photographs, the feature shards that the indexes are of, how
many photographs the codewords of local features were learnt from (0: there are none), the least number of
inliers that counts, with the number of images it was found on, and the ids of photographs that are left out
though their files are there.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from absl import logging

from data_prep.stage import files, lock
from delg.features.folder_features import DescribedFolder, describe_folder, find_image_files, remove_damaged
from delg.features.late_describer import LateDescriber, describer_like
from delg.photos.indexing import load_whole, update_indexes
from delg.settings.extraction import ExtractConfig
from delg.settings.untrained import UntrainedConfig

if TYPE_CHECKING:
    from delg.features.describing import ImageDescriber

_STATE = "collection.json"


class Collection(NamedTuple):
    """Photographs that can be searched.

    Attributes:
        images_dir: where they are.
        work_dir: where what is known of them is kept.
        describer: describes more photographs as these.
        folder: which of them are described.
    """

    images_dir: str
    work_dir: str
    describer: ImageDescriber | LateDescriber
    folder: DescribedFolder

    @property
    def features_dir(self) -> str:
        """Folder of the feature shards."""
        return os.path.join(self.work_dir, "features")

    @property
    def index_dir(self) -> str:
        """Folder of the index."""
        return os.path.join(self.work_dir, "index")

    def path_of(self, image_id: str) -> str:
        """Path of the file of a photograph."""
        return os.path.join(self.images_dir, self.folder.path_of[image_id])

    @property
    def local_index_dir(self) -> str:
        """Folder of the index of local features; empty where no photograph has any."""
        return _local_index_dir(self.work_dir) if _read_state(self.work_dir).get("num_learnt") else ""

    @property
    def removed(self) -> list[str]:
        """Ids of photographs that are left out though their files are there."""
        return _read_state(self.work_dir).get("removed", [])

    def keep_removed(self, removed: Iterable[str]) -> None:
        """Keeps which photographs are left out; `refreshed` does it."""
        _write_state(self.work_dir, {**_read_state(self.work_dir), "removed": sorted(removed)})

    @property
    def min_inliers(self) -> int:
        """The floor on inliers that an earlier search found among at least half as many photographs; or 0."""
        state = _read_state(self.work_dir)
        enough = 2 * state.get("num_calibrated", 0) >= len(self.folder.path_of)
        return state.get("min_inliers", 0) if enough else 0

    def keep_min_inliers(self, min_inliers: int) -> None:
        """Keeps the floor on inliers that a search has found, for later ones."""
        _write_state(self.work_dir, {**_read_state(self.work_dir), "min_inliers": min_inliers,
                                     "num_calibrated": len(self.folder.path_of)})


@contextlib.contextmanager
def opened(images_dir: str, work_dir: str, saved_model: str, config: ExtractConfig) -> Iterator[Collection]:
    """The photographs of a folder, described and indexed as they are now; for this process alone.

    Args:
        images_dir: folder of photographs.
        work_dir: made where it does not exist.
        saved_model: folder of the model; empty: one with nothing trained, in `work_dir`.
        config: how photographs are described.

    Raises:
        FileNotFoundError: if `images_dir` or the model is not there.
        ValueError: if no image can be used, or `work_dir` is of other photographs, another model or other
            settings.
        OSError: if another process is at work in `work_dir`.
    """
    find_image_files(images_dir)  # before anything is made
    os.makedirs(work_dir, exist_ok=True)
    features_dir = os.path.join(work_dir, "features")
    refusal = (f"`work_dir` must be used by one process at a time. Received: {work_dir!r}, where another one "
               "is at work, such as delg.serve: end that, or search there.")
    with lock.locked(os.path.join(work_dir, ".lock"), refusal), _naming_the_way_out(features_dir):
        _check_same_photographs(images_dir, work_dir)
        remove_damaged(features_dir)
        describer = describer_like(saved_model or _default_model(work_dir), config, features_dir)
        yield _brought_up_to_date(images_dir, work_dir, describer, config.max_bad_fraction)


def refreshed(collection: Collection) -> Collection:
    """A collection that is open, brought up to date with its folder; bad images are left out.

    Raises:
        ValueError: if no image can be used any more.
    """
    return _brought_up_to_date(collection.images_dir, collection.work_dir, collection.describer, 1.0)


def images_dir_of(work_dir: str) -> str:
    """The folder of photographs that a work folder is of.

    Raises:
        FileNotFoundError: if the work folder says none, or that one is gone.
    """
    images_dir = _read_state(work_dir).get("images_dir", "")
    if not os.path.isdir(images_dir):
        raise FileNotFoundError("`work_dir` must be one that delg.find_images has made, of photographs that "
                                f"are still there. Received: {work_dir!r}, of {images_dir or 'none'}.")
    return images_dir


def _brought_up_to_date(images_dir: str, work_dir: str, describer: ImageDescriber | LateDescriber,
                        max_bad_fraction: float) -> Collection:
    folder = describe_folder(describer, images_dir, os.path.join(work_dir, "features"), max_bad_fraction,
                             _read_state(work_dir).get("removed", ()))
    if not folder.path_of:
        image_id, reason = next(iter(folder.left_out.items()))
        raise ValueError("`images_dir` must hold an image that can be used. Received: "
                         f"{images_dir!r}, {len(folder.left_out)} that cannot, such as {image_id}: "
                         f"{reason}.")
    collection = Collection(images_dir, work_dir, describer, folder)
    _index(collection)
    return collection


@contextlib.contextmanager
def _naming_the_way_out(features_dir: str) -> Iterator[None]:
    """Says what to do about a feature shard whose damage shows when its features are read."""
    try:
        yield
    except ValueError as error:
        if str(error).startswith(f"{features_dir}{os.sep}photos-") and "It cannot be read" in str(error):
            raise ValueError(f"{error} Remove it: its photographs are described again.") from error
        raise


def _default_model(work_dir: str) -> str:
    """Folder of the model with nothing trained, made if it is not there."""
    path = os.path.join(work_dir, "model")
    if not os.path.exists(path):
        from delg.untrained.exporting import export_untrained  # with TensorFlow, which takes seconds

        export_untrained(UntrainedConfig(), "package", path)
    return path


def _local_index_dir(work_dir: str) -> str:
    return os.path.join(work_dir, "local_index")


def _index(collection: Collection) -> None:
    """Brings the indexes up to date unless they are of these very shards, whose names say what is in them."""
    names = [os.path.basename(path) for path in collection.folder.shards]
    state = _read_state(collection.work_dir)
    num_learnt, indexed = state.get("num_learnt"), state.get("indexed", [])
    local_index_dirs = [_local_index_dir(collection.work_dir)] if num_learnt else []
    if num_learnt is None or indexed != names or None in map(
            load_whole, [collection.index_dir, *local_index_dirs]):
        num_learnt = update_indexes(collection.features_dir, collection.folder, collection.index_dir,
                                    _local_index_dir(collection.work_dir), indexed, num_learnt or 0)
    now = {**state, "images_dir": os.path.abspath(collection.images_dir), "indexed": names,
           "num_learnt": num_learnt}
    if now != state:
        _write_state(collection.work_dir, now)


def _check_same_photographs(images_dir: str, work_dir: str) -> None:
    """Raises ValueError if a work folder is of another folder that is still there."""
    before, now = _read_state(work_dir).get("images_dir", ""), os.path.abspath(images_dir)
    if before and os.path.isdir(before) and not os.path.samefile(before, now):
        raise ValueError("`work_dir` must be of the photographs of `images_dir`. Received: "
                         f"{work_dir!r}, which is of {before!r}, for {now!r}.")


def _read_state(work_dir: str) -> dict[str, Any]:
    path = os.path.join(work_dir, _STATE)
    try:
        return files.read_checked_json(path) if os.path.exists(path) else {}
    except ValueError as error:  # all of it can be found out again
        logging.warning("%s Begun anew.", error)
        return {}


def _write_state(work_dir: str, state: dict[str, Any]) -> None:
    files.write_checked_json(os.path.join(work_dir, _STATE), state)
