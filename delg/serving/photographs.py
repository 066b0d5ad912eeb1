"""The collections that a server searches: a folder of photographs, which may change, or an index."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol

from data_prep.images import intake
from data_prep.stage import files
from delg.features.folder_features import find_image_files
from delg.features.preparing import BadImageError, refusing_bad_images
from delg.features.query_files import describer_of_queries
from delg.features.reader import FeatureReader
from delg.geometry import verdict
from delg.photos import collection as collections
from delg.photos.collection import Collection
from delg.places import known
from delg.search import inputs
from delg.serving import large_images
from delg.serving.searched import Searched, calibrated
from delg.settings.photos import FindConfig, photo_extraction, photo_search
from delg.settings.places import GPS_ALONE, PlacesConfig
from delg.settings.search import SearchConfig
from delg.settings.serving import ServeConfig

if TYPE_CHECKING:
    from delg.features.describing import ImageDescriber

_ADDED = "added"  # folder of the photographs that came by the server


class CannotChange(Exception):
    """The collection is one that the server does not change, or may not lose its last image."""


class CannotKeep(Exception):
    """The disk does not take a change; nothing of it is left."""


class Photographs(Protocol):
    """What a server searches.

    Attributes:
        searched: as it is now; another object after each change.
        can_change: whether `add` and `remove` serve.
        describer: the model.
    """

    searched: Searched
    can_change: bool
    describer: ImageDescriber

    def add(self, encoded: bytes, max_pixels: int) -> str:
        """Takes an image file in, and returns its id when it can be searched.

        Args:
            encoded: image file.
            max_pixels: larger images are refused before they are decoded.

        Raises:
            BadImageError: if it cannot be used.
            CannotChange: if nothing can be added.
            CannotKeep: if the disk is full or read-only.
        """

    def remove(self, image_id: str) -> None:
        """Leaves an image out from now on.

        Raises:
            KeyError: if there is none of that id.
            CannotChange: if nothing can be removed, or it is the last one.
            CannotKeep: if the disk is full or read-only.
        """


@contextlib.contextmanager
def opened(config: ServeConfig, places: PlacesConfig = GPS_ALONE) -> Iterator[Photographs]:
    """The photographs that a server is to search, for as long as the block runs.

    Args:
        config: what is searched.
        places: where the places of images come from.

    Raises:
        FileNotFoundError: if a folder, an index or the model is not there.
        ValueError: if they do not belong together, or nothing can be searched.
        OSError: if another process is at work in the work folder.
    """
    if config.verdict:
        verdict.load_verdict(config.verdict)  # before the work
    if places.places_csv:
        known.read_places(places.places_csv, places.landmarks_csv)  # so
    if config.index_dir:
        yield IndexedImages(config, places)
        return
    images_dir = config.images_dir or collections.images_dir_of(config.work_dir)
    work_dir = FindConfig(images_dir, config.work_dir).found_dir
    with collections.opened(images_dir, work_dir, config.saved_model, photo_extraction()) as collection:
        folder = FolderOfPhotographs(collection, config.verdict, places)
        try:
            yield folder
        finally:
            folder.close()


class IndexedImages:
    """An index with its features, made by stages; the server leaves it as it is.

    Args:
        config: its `index_dir` and what goes with it.
        places: where the places of images come from.
    """

    can_change = False

    def __init__(self, config: ServeConfig, places: PlacesConfig = GPS_ALONE):
        self.describer = describer_of_queries(config.saved_model, config.index_features)
        paths = {}
        if config.images:
            paths = {image_id: os.path.join(config.images, file.path)
                     for image_id, file in find_image_files(config.images).items()}
        self.searched = _searched(config.index_dir, config.index_features, config.local_index_dir,
                                  config.verdict, SearchConfig(num_rerank=photo_search().num_rerank), paths)
        self.searched = dataclasses.replace(self.searched, places=known.known_places(
            places, self.searched.index.ids))

    def add(self, encoded: bytes, max_pixels: int) -> str:
        """Raises CannotChange."""
        raise CannotChange("Images can be added where a folder of photographs is searched, not to an index.")

    def remove(self, image_id: str) -> None:
        """Raises CannotChange."""
        raise CannotChange("Images can be removed where a folder of photographs is searched, not from an "
                           "index.")


class FolderOfPhotographs:
    """A folder of photographs, as delg.find_images searches it.

    An image that is added becomes a file of the folder `added` in it, so that whatever process opens the
    folder next knows it; one that was added is removed with its file, others keep theirs and are left out.

    Args:
        collection: opened.
        verdict_path: of a model of verdicts; empty: the one of the package.
        places: where the places of images come from.
    """

    can_change = True

    def __init__(self, collection: Collection, verdict_path: str = "", places: PlacesConfig = GPS_ALONE):
        self._collection, self._verdict_path = collection, verdict_path
        self._places = known.known_places(places, collection.folder.path_of)
        self._lock = threading.Lock()
        self._worker = ThreadPoolExecutor(1, "collection")
        self._refresh: Future[None] | None = None  # that has not begun
        self._leaving: set[str] = set()  # ids that it is to leave out
        self.searched = self._searched_now()

    @property
    def describer(self) -> ImageDescriber:
        """The model of the collection."""
        return self._collection.describer

    def close(self) -> None:
        """Waits for a change that goes on."""
        self._worker.shutdown()

    def add(self, encoded: bytes, max_pixels: int) -> str:
        """As `Photographs.add`; a file that is there already keeps its id."""
        with large_images.decoding(encoded, max_pixels) as header, refusing_bad_images():
            intake.take_image(encoded, max_pixels, decode_check=True)
        suffix = header.format.lower()
        sha256 = hashlib.sha256(encoded).hexdigest()
        if same := self.searched.same_files(sha256):
            return min(same)
        image_id = f"{_stem_of_added(sha256)}.{'jpg' if suffix == 'jpeg' else suffix}"
        path = os.path.join(self._collection.images_dir, image_id)
        with _keeping():
            with files.replacing(path) as temporary, open(temporary, "wb") as file:
                file.write(encoded)
            try:
                self._refreshed()
            except Exception:  # nothing is left of what was refused
                _remove(path)
                raise
        if image_id not in self.searched.paths:
            _remove(path)
            raise BadImageError(self._collection.folder.left_out.get(image_id, "it cannot be described"))
        return image_id

    def remove(self, image_id: str) -> None:
        """As `Photographs.remove`."""
        if image_id not in self.searched.paths:
            raise KeyError(image_id)
        with self._lock:
            self._leaving.add(image_id)
        with _keeping():
            self._refreshed()
        if image_id in self.searched.paths:
            raise CannotChange("The last image of a collection cannot be removed.")

    def _refreshed(self) -> None:
        """Waits for a refresh that begins after this call; several that wait share it."""
        with self._lock:
            if self._refresh is None:
                self._refresh = self._worker.submit(self._bring_up_to_date)
            refresh = self._refresh
        refresh.result()

    def _bring_up_to_date(self) -> None:
        with self._lock:
            self._refresh, leaving, self._leaving = None, self._leaving, set()
        self._leave_out(leaving)
        with large_images.alone():
            self._collection = collections.refreshed(self._collection)
            self.searched = self._searched_now()

    def _leave_out(self, leaving: set[str]) -> None:
        """Removes what was added by the server and has others left out; one image stays, the first."""
        collection = self._collection
        there = [image_id for image_id, path in self.searched.paths.items() if os.path.exists(path)]
        leaving = leaving.difference([] if set(there) - leaving else there[:1])
        added = {image_id for image_id in leaving
                 if image_id.startswith(f"{_stem_of_added(collection.folder.sha256.get(image_id, ''))}.")}
        for image_id in added:
            _remove(self.searched.paths[image_id])
        if leaving - added:
            collection.keep_removed({*collection.removed, *leaving - added})

    def _searched_now(self) -> Searched:
        collection = self._collection
        config = dataclasses.replace(photo_search(), min_inliers=collection.min_inliers)
        paths = {image_id: collection.path_of(image_id) for image_id in collection.folder.path_of}
        searched = _searched(collection.index_dir, collection.features_dir, collection.local_index_dir,
                             self._verdict_path, config, paths)
        if not config.min_inliers:
            collection.keep_min_inliers(searched.config.min_inliers)
        return dataclasses.replace(searched, sha256=collection.folder.sha256,
                                   places=self._places.of_collection(paths))


def _stem_of_added(sha256: str) -> str:
    """Path of a file that came by the server, without its suffix."""
    return f"{_ADDED}/{sha256[:16]}"


def _remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):  # by hand, or by another request
        os.remove(path)


@contextlib.contextmanager
def _keeping() -> Iterator[None]:
    """Says of an error of the disk what it is, without a path."""
    try:
        yield
    except OSError as error:
        raise CannotKeep(f"The collection cannot be changed: {error.strerror or error}.") from error


def _searched(index_dir: str, features: str, local_index_dir: str, verdict_path: str, config: SearchConfig,
              paths: dict[str, str]) -> Searched:
    images = FeatureReader(features)
    index, rows = inputs.open_index(index_dir, images, features, images, features)
    local_index = inputs.open_local_index(local_index_dir, index, index_dir, images,
                                          features) if local_index_dir else None
    model = verdict.verdict_for(local_index is not None, verdict_path)
    searched = Searched(images, index, rows, local_index, config, model, paths)
    return searched if config.min_inliers or not images.num_local_features.any() else calibrated(searched)
