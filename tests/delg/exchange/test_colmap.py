import os
import sqlite3
import tempfile
import unittest

import numpy as np

from delg.exchange import colmap
from delg.exchange.colmap import ColmapDatabaseWriter
from delg.features.shards import DescribedImage, LocalFeatures
from tests.fixtures import colmap_reader

try:
    import pycolmap
except ImportError:
    pycolmap = None

KEYPOINTS_YX = np.float32([[10, 20], [30, 40.5], [5, 6]])
TRANSFORM = np.array([[2.0, 0, 3], [0, 2, 1], [0, 0, 1]])  # from b to a


def described(image_id, keypoints_yx=KEYPOINTS_YX, size=(480, 640)):
    ones = np.ones(len(keypoints_yx), np.float32)
    return DescribedImage(image_id, np.zeros(0, np.float32), size, LocalFeatures(
        np.asarray(keypoints_yx, np.float32), np.ones((len(keypoints_yx), 4), np.float32), ones, ones))


class ColmapDatabaseTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.path = os.path.join(self.folder.name, "data base?.db")

    def write(self, first="a", second="b", matches=((0, 2), (1, 1)), inliers=((1, 1),), transform=TRANSFORM):
        with ColmapDatabaseWriter(self.path) as writer:
            writer.add_image(described("a"))
            writer.add_image(described("b"))
            writer.add_pair(first, second, np.array(matches), np.array(inliers), transform)
        return writer

    def select(self, query):
        connection = sqlite3.connect(self.path)
        self.addCleanup(connection.close)
        return connection.execute(query).fetchall()

    def alter(self, statement, *values):
        connection = sqlite3.connect(self.path)
        connection.execute(statement, values)
        connection.commit()
        connection.close()

    def test_pair_ids(self):
        self.assertEqual(colmap.pair_id_of(7, 3), 3 * 2147483647 + 7)
        self.assertEqual(colmap_reader.image_ids_of(3 * 2147483647 + 7), (3, 7))

    def test_images_and_cameras(self):
        writer = self.write()
        self.assertEqual((writer.num_images, writer.num_pairs), (2, 1))
        self.assertEqual(self.select("SELECT image_id, name, camera_id FROM images"),
                         [(1, "a", 1), (2, "b", 2)])
        camera_id, model, width, height, params, prior = self.select("SELECT * FROM cameras")[0]
        self.assertEqual((camera_id, model, width, height, prior), (1, 2, 640, 480, 0))
        self.assertEqual(np.frombuffer(params, "<f8").tolist(), [768, 320, 240, 0])

    def test_keypoints_are_x_y_with_pixel_centres_at_a_half(self):
        self.write()
        rows, cols, data = self.select("SELECT rows, cols, data FROM keypoints WHERE image_id = 1")[0]
        self.assertEqual((rows, cols), (3, 2))
        self.assertEqual(np.frombuffer(data, "<f4").reshape(3, 2).tolist(),
                         [[20.5, 10.5], [41, 30.5], [6.5, 5.5]])

    def test_matches_are_zero_based_from_the_lower_id_to_the_higher(self):
        for first, second, expected in (("a", "b", [0, 2, 1, 1]), ("b", "a", [2, 0, 1, 1])):
            self.write(first, second)
            (pair_id, rows, cols, data), = self.select("SELECT * FROM matches")
            self.assertEqual((pair_id, rows, cols), (2147483647 + 2, 2, 2))
            self.assertEqual(np.frombuffer(data, "<u4").tolist(), expected)

    def test_the_homography_leads_from_the_lower_id_to_the_higher(self):
        point = np.array([7.0, 9, 1])  # of b, pixel centres at whole numbers
        mapped = TRANSFORM @ point
        for first, second, start, end in (("a", "b", mapped, point), ("b", "a", point, mapped)):
            self.write(first, second)
            (rows, config, blob, fundamental), = self.select(
                "SELECT rows, config, H, F FROM two_view_geometries")
            self.assertEqual((rows, config, fundamental), (1, 4, None))
            homography = np.frombuffer(blob, "<f8").reshape(3, 3)
            np.testing.assert_allclose(homography @ (start + [0.5, 0.5, 0]), end + [0.5, 0.5, 0])

    def test_without_inliers_there_is_no_geometry(self):
        self.write(inliers=(), transform=np.full((3, 3), np.nan))
        self.assertEqual(self.select("SELECT count(*) FROM two_view_geometries"), [(0,)])

    def test_an_unknown_transform_leaves_inliers_without_homography(self):
        for transform in (None, np.full((3, 3), np.nan), np.zeros((3, 3))):
            self.write(transform=transform)
            self.assertEqual(self.select("SELECT rows, H FROM two_view_geometries"), [(1, None)])

    def test_reads_back_what_was_written(self):
        self.write()
        keypoints = colmap_reader.read_keypoints(self.path)
        self.assertEqual(list(keypoints), ["a", "b"])
        np.testing.assert_allclose(keypoints["a"], KEYPOINTS_YX, atol=1e-5)
        matches = colmap_reader.read_matches(self.path)
        self.assertEqual({pair: rows.tolist() for pair, rows in matches.items()},
                         {("a", "b"): [[0, 2], [1, 1]]})
        inliers = colmap_reader.read_matches(self.path, inliers=True)
        self.assertEqual(inliers["a", "b"].tolist(), [[1, 1]])

    def test_columns_after_x_and_y_are_passed_over(self):
        self.write()
        self.alter("UPDATE keypoints SET rows = 1, cols = 4, data = ? WHERE image_id = 1",
                   np.array([3.5, 4.5, 1, 0], "<f4").tobytes())
        self.alter("DELETE FROM keypoints WHERE image_id = 2")
        keypoints = colmap_reader.read_keypoints(self.path)
        self.assertEqual((keypoints["a"].tolist(), keypoints["b"].shape), ([[4, 3]], (0, 2)))

    def test_refuses_what_cannot_be(self):
        with self.assertRaisesRegex(ValueError, r"base\?.db must have ids that.*'a', 640 x 480"), \
                ColmapDatabaseWriter(self.path) as writer:
            writer.add_image(described("a"))
            writer.add_image(described("a"))
        with self.assertRaisesRegex(ValueError, "Received: 'c', 0 x 0"), \
                ColmapDatabaseWriter(self.path) as writer:
            writer.add_image(described("c", size=(0, 0)))
        with self.assertRaisesRegex(ValueError, "must be two images of it. Received: 'a', 'z'"):
            self.write(second="z")
        with self.assertRaisesRegex(ValueError, r"'a' and 'b'.*into 3 and 3 keypoints.*up to \[0, 3\]"):
            self.write(matches=[[0, 3]])
        with self.assertRaisesRegex(ValueError, "must differ. Received: 'b', 'a' a second time"), \
                ColmapDatabaseWriter(self.path) as writer:
            for name in "ab":
                writer.add_image(described(name))
            for pair in ("ab", "ba"):
                writer.add_pair(*pair, np.zeros((1, 2)), np.zeros((0, 2)))
        self.assertEqual(os.listdir(self.folder.name), [])  # nothing half-written

    def test_refuses_damaged_databases(self):
        with self.assertRaisesRegex(FileNotFoundError, r"base\?.db.*no such file"):
            colmap_reader.read_keypoints(self.path)
        with open(self.path, "wb") as file:
            file.write(b"no SQLite file, but as long as a header would be" * 20)
        with self.assertRaisesRegex(ValueError, r"base\?.db must be a COLMAP database.*file is not a"):
            colmap_reader.read_keypoints(self.path)
        os.remove(self.path)
        self.alter("CREATE TABLE images (image_id INTEGER, name TEXT)")
        with self.assertRaisesRegex(ValueError, r"base\?.db must be a COLMAP database.*no such table"):
            colmap_reader.read_matches(self.path)

    def test_refuses_blobs_of_another_size(self):
        for statement, said in (("rows = 1099511627776", "24 bytes for 1099511627776 x 2"),
                                ("data = 'text'", "0 bytes for 3 x 2"), ("cols = 1, rows = 6", "6 x 1"),
                                ("rows = -3, cols = -2", "-3 x -2")):
            self.write()
            self.alter(f"UPDATE keypoints SET {statement} WHERE image_id = 1")
            with self.assertRaisesRegex(ValueError, rf"base\?.db: keypoints of a must be.*{said}"):
                colmap_reader.read_keypoints(self.path)
        self.alter("UPDATE matches SET pair_id = 2147483647 * 5 + 9")
        with self.assertRaisesRegex(ValueError, r"base\?.db: matches must have two columns and join images"):
            colmap_reader.read_matches(self.path)


@unittest.skipIf(pycolmap is None, "pycolmap is not installed")
class PycolmapTest(unittest.TestCase):
    def test_colmap_reads_the_database(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "database.db")
            with ColmapDatabaseWriter(path) as writer:
                for name in ("a", "b"):
                    writer.add_image(described(name))
                writer.add_pair("b", "a", np.array([[2, 0], [1, 1]]), np.array([[1, 1]]), TRANSFORM)
            database = (pycolmap.Database.open(path) if hasattr(pycolmap.Database, "open")
                        else pycolmap.Database(path))
            self.addCleanup(database.close)
            self.assertEqual([image.name for image in database.read_all_images()], ["a", "b"])
            self.assertEqual([camera.focal_length for camera in database.read_all_cameras()], [768, 768])
            keypoints = np.array([[*point][:2] if np.ndim(point) else [point.x, point.y]
                                  for point in database.read_keypoints(1)])
            np.testing.assert_allclose(keypoints, KEYPOINTS_YX[:, ::-1] + 0.5)
            self.assertEqual(np.asarray(database.read_matches(1, 2)).tolist(), [[0, 2], [1, 1]])
            geometry = database.read_two_view_geometry(1, 2)
            self.assertEqual(np.asarray(geometry.inlier_matches).tolist(), [[1, 1]])
            self.assertEqual(int(geometry.config), 4)
            np.testing.assert_allclose(geometry.H @ [9.5, 7.5, 1], TRANSFORM @ [9, 7, 1] + [0.5, 0.5, 0])


if __name__ == "__main__":
    unittest.main()
