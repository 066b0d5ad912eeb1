"""A COLMAP database (SQLite) with cameras, images, keypoints, matches and two-view geometries.

What COLMAP reads, as little-endian rows in blobs:

    keypoints             float32 [n, 2]: x, y. The centre of the upper left pixel is at 0.5, 0.5 (at 0, 0 in
                          our shards): half a pixel is added on the way in and taken off on the way out.
    matches               uint32 [k, 2]: zero-based rows of the keypoints of the image with the lower id and
                          of the other
    two_view_geometries   the same for inliers, `config`, and the matrices F, E and H, float64 [3, 3]; H maps
                          pixels of the image with the lower id to the other
    pair_id               lower image id * 2147483647 + higher image id

Descriptors stay out: COLMAP's are SIFT's, uint8 of 128 dimensions, and ours would not be found by its
matchers. The tables are those of COLMAP 3; COLMAP 4 adds its own when it opens the file.
Source: https://colmap.github.io/database.html and COLMAP's scripts/python/database.py.
"""

from __future__ import annotations

import contextlib
import sqlite3

import numpy as np

from data_prep.stage import files
from delg.features.shards import DescribedImage

MAX_IMAGE_ID = 2**31 - 1
PLANAR = 4  # `config` of a pair that a homography explains
FOCAL_LENGTH_FACTOR = 1.2  # of the longer side; COLMAP's own guess for an image without EXIF
_SIMPLE_RADIAL = 2  # number of the camera model: f, cx, cy, k
_PIXEL_CENTRE = 0.5
_SCHEMA = f"""
CREATE TABLE cameras (camera_id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, model INTEGER NOT NULL,
    width INTEGER NOT NULL, height INTEGER NOT NULL, params BLOB, prior_focal_length INTEGER NOT NULL);
CREATE TABLE images (image_id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, name TEXT NOT NULL UNIQUE,
    camera_id INTEGER NOT NULL, prior_qw REAL, prior_qx REAL, prior_qy REAL, prior_qz REAL,
    prior_tx REAL, prior_ty REAL, prior_tz REAL,
    CONSTRAINT image_id_check CHECK(image_id >= 0 and image_id < {MAX_IMAGE_ID}),
    FOREIGN KEY(camera_id) REFERENCES cameras(camera_id));
CREATE UNIQUE INDEX index_name ON images(name);
CREATE TABLE keypoints (image_id INTEGER PRIMARY KEY NOT NULL, rows INTEGER NOT NULL, cols INTEGER NOT NULL,
    data BLOB, FOREIGN KEY(image_id) REFERENCES images(image_id) ON DELETE CASCADE);
CREATE TABLE descriptors (image_id INTEGER PRIMARY KEY NOT NULL, rows INTEGER NOT NULL, cols INTEGER NOT NULL,
    data BLOB, FOREIGN KEY(image_id) REFERENCES images(image_id) ON DELETE CASCADE);
CREATE TABLE matches (pair_id INTEGER PRIMARY KEY NOT NULL, rows INTEGER NOT NULL, cols INTEGER NOT NULL,
    data BLOB);
CREATE TABLE two_view_geometries (pair_id INTEGER PRIMARY KEY NOT NULL, rows INTEGER NOT NULL,
    cols INTEGER NOT NULL, data BLOB, config INTEGER NOT NULL, F BLOB, E BLOB, H BLOB, qvec BLOB, tvec BLOB);
"""


def pair_id_of(first: int, second: int) -> int:
    """COLMAP's number for a pair of image ids, the same whichever comes first."""
    return min(first, second) * MAX_IMAGE_ID + max(first, second)


class ColmapDatabaseWriter:
    """Writes a database; the file appears under its name only when all is written.

    Use as a context manager: leaving it by an exception removes what was written. Every image gets a camera
    of its own, SIMPLE_RADIAL, of a guessed focal length (`prior_focal_length` 0), as COLMAP gives to images
    that say nothing of theirs.

    Args:
        path: of the database, replaced if there.

    Attributes:
        num_images, num_pairs: written so far.
    """

    def __init__(self, path: str):
        self.num_images = self.num_pairs = 0
        self._path = path
        self._images: dict[str, tuple[int, int]] = {}  # image id and number of keypoints

    def __enter__(self) -> ColmapDatabaseWriter:
        with contextlib.ExitStack() as stack:
            temporary = stack.enter_context(files.replacing(self._path))
            self._connection = stack.enter_context(contextlib.closing(sqlite3.connect(temporary)))
            self._connection.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;" + _SCHEMA)
            self._open = stack.pop_all()
        return self

    def __exit__(self, error_type, error, traceback) -> None:
        if error_type is not None:
            self._open.__exit__(error_type, error, traceback)
            return
        with self._open:
            self._connection.commit()

    def add_image(self, image: DescribedImage) -> int:
        """Adds an image with its keypoints; returns its id in the database, from 1.

        Args:
            image: its id is COLMAP's `name`, the path in the folder of images.

        Raises:
            ValueError: if its id was added before, or its size is not known.
        """
        height, width = (int(side) for side in image.image_size)
        if image.id in self._images or not image.id or min(height, width) < 1:
            raise ValueError(f"Images of {self._path} must have ids that differ and sizes above 0. "
                             f"Received: {image.id!r}, {width} x {height}.")
        image_id = len(self._images) + 1
        camera = np.array([FOCAL_LENGTH_FACTOR * max(width, height), width / 2, height / 2, 0], "<f8")
        keypoints = np.asarray(image.local.keypoints_yx[:, ::-1] + _PIXEL_CENTRE, "<f4")
        execute = self._connection.execute
        execute("INSERT INTO cameras VALUES (?, ?, ?, ?, ?, 0)",
                (image_id, _SIMPLE_RADIAL, width, height, camera.tobytes()))
        execute("INSERT INTO images (image_id, name, camera_id) VALUES (?, ?, ?)",
                (image_id, image.id, image_id))
        execute("INSERT INTO keypoints VALUES (?, ?, 2, ?)", (image_id, len(keypoints), keypoints.tobytes()))
        self._images[image.id] = image_id, len(keypoints)
        self.num_images += 1
        return image_id

    def add_pair(self, first: str, second: str, matches: np.ndarray, inliers: np.ndarray,
                 transform: np.ndarray | None = None) -> None:
        """Adds the matches of two images, and their inliers as a two-view geometry where there are any.

        Args:
            first, second: ids of images added before.
            matches: int, [k, 2], rows of the keypoints of `first` and of `second`.
            inliers: int, [i, 2], likewise.
            transform: float, [3, 3], from pixels (x, y, 1) of `second` to those of `first`, pixel centres at
                whole numbers, as `pairs.verify_pair` gives it with `first` as the query; None or NaN: none.

        Raises:
            ValueError: if an image was not added, the pair was added before, or rows are out of range.
        """
        unknown = [name for name in (first, second) if name not in self._images]
        if unknown or first == second:
            raise ValueError(f"A pair in {self._path} must be two images of it. "
                             f"Received: {first!r}, {second!r}.")
        (first_id, first_count), (second_id, second_count) = self._images[first], self._images[second]
        blobs = [self._rows(first, second, rows, first_count, second_count) for rows in (matches, inliers)]
        pair_id = pair_id_of(first_id, second_id)
        turned = first_id > second_id
        blobs = [np.ascontiguousarray(rows[:, ::-1] if turned else rows) for rows in blobs]
        try:
            self._connection.execute("INSERT INTO matches VALUES (?, ?, 2, ?)",
                                     (pair_id, len(blobs[0]), blobs[0].tobytes()))
        except sqlite3.IntegrityError as error:
            raise ValueError(f"Pairs of {self._path} must differ. Received: {first!r}, {second!r} "
                             "a second time.") from error
        if len(blobs[1]):
            self._connection.execute(
                "INSERT INTO two_view_geometries (pair_id, rows, cols, data, config, H) "
                "VALUES (?, ?, 2, ?, ?, ?)",
                (pair_id, len(blobs[1]), blobs[1].tobytes(), PLANAR, _homography_blob(transform, turned)))
        self.num_pairs += 1

    def _rows(self, first: str, second: str, rows: np.ndarray, *counts: int) -> np.ndarray:
        rows = np.asarray(rows, np.int64).reshape(-1, 2)
        if rows.size and (rows.min() < 0 or np.any(rows.max(axis=0) >= counts)):
            raise ValueError(f"Matches of {first!r} and {second!r} in {self._path} must point into "
                             f"{counts[0]} and {counts[1]} keypoints. "
                             f"Received: rows up to {rows.max(axis=0).tolist()}.")
        return rows.astype("<u4")


def _homography_blob(transform: np.ndarray | None, turned: bool) -> bytes | None:
    """H from the lower image id to the higher, in COLMAP's pixels; `transform` leads from second to first."""
    if transform is None or not np.all(np.isfinite(transform)) or np.linalg.matrix_rank(transform) < 3:
        return None
    shift = np.array([[1, 0, _PIXEL_CENTRE], [0, 1, _PIXEL_CENTRE], [0, 0, 1]])
    homography = shift @ np.asarray(transform, np.float64) @ np.linalg.inv(shift)
    return np.asarray(homography if turned else np.linalg.inv(homography), "<f8").tobytes()
