"""Tests of data_prep.world.day_night_world, and of the pairs that scene photographs for it."""

import json
import os
import unittest
import unittest.mock

import cv2
import numpy as np
import pandas as pd

from data_prep.sources import day_night
from data_prep.world.architecture.city import City
from data_prep.world.config import DayNightWorldConfig
from data_prep.world.day_night_world import make_day_night_world
from data_prep.world.photography import scene
from tests.fixtures.temporary_files import FilesTest

_TINY = {"num_places": 3, "views_per_place": 2, "image_size": 48, "siblings": 1, "num_workers": 1}


class DayNightWorldTest(FilesTest):
    def test_writes_what_the_day_night_source_reads(self):
        make_day_night_world(DayNightWorldConfig(self.path("world"), **_TINY))
        splits = {split.name: split for split in
                  day_night.read_collection(self.path("world"), 0.0, 0.34, seed=0).splits}
        self.assertEqual({name: len(split.ids) for name, split in splits.items()}, {"train": 8, "test": 4})
        self.assertFalse(set(splits["train"].landmarks) & set(splits["test"].landmarks))
        for split in splits.values():
            pairs, counts = np.unique(split.pairs, return_counts=True)
            self.assertNotIn("", pairs)
            self.assertEqual(set(counts), {2})

    def test_an_interrupted_world_is_completed_with_the_same_bytes(self):
        config = DayNightWorldConfig(self.path("world"), **_TINY)
        make_day_night_world(config)
        path = self.path("world/night/0001_01.jpg")
        with open(path, "rb") as file:
            before = file.read()
        os.remove(path)
        make_day_night_world(config)
        with open(path, "rb") as file:
            self.assertEqual(file.read(), before)

    def test_siblings_share_a_sequence_so_that_no_split_parts_them(self):
        make_day_night_world(DayNightWorldConfig(self.path("world"), **{**_TINY, "siblings": 2}))
        table = pd.read_csv(self.path("world/places.csv"))
        self.assertEqual(table.groupby("sequence")["place"].nunique().tolist(), [2, 1])

    def test_moving_cameras_leave_places_and_no_pairs(self):
        make_day_night_world(DayNightWorldConfig(self.path("world"), **_TINY, moving_cameras=True))
        [split] = day_night.read_collection(self.path("world"), 0.0, 0.0, seed=0).splits
        self.assertIsNone(split.pairs)
        self.assertEqual(len(set(zip(split.landmarks, split.domains))), 6)

    def test_refuses_the_folder_of_another_world(self):
        config = DayNightWorldConfig(self.path("world"), **{**_TINY, "num_places": 1})
        make_day_night_world(config)
        with self.assertRaisesRegex(ValueError, "holds a world of other settings.*seed=0 there, 1 asked"):
            make_day_night_world(DayNightWorldConfig(self.path("world"), **{**_TINY, "num_places": 1,
                                                                            "seed": 1}))

    def test_goes_on_with_a_world_that_is_older_than_a_setting(self):
        config = DayNightWorldConfig(self.path("world"), **{**_TINY, "num_places": 1})
        make_day_night_world(config)
        with open(self.path("world/world.json"), encoding="utf-8") as file:
            settings = json.load(file)
        del settings["seed"]
        with open(self.path("world/world.json"), "w", encoding="utf-8") as file:
            json.dump(settings, file)
        make_day_night_world(config)
        with open(self.path("world/world.json"), "w", encoding="utf-8") as file:
            json.dump({**settings, "from_tomorrow": 1}, file)
        with self.assertRaisesRegex(ValueError, "Differing: from_tomorrow=1 there, None asked"):
            make_day_night_world(config)

    def test_refuses_settings_out_of_range(self):
        for name, value, rule in (("num_places", 0, "be at least 1"), ("siblings", 0, "be at least 1"),
                                  ("image_size", 47, r"be in \[48, 2048\]"),
                                  ("image_size", 2049, r"be in \[48, 2048\]")):
            with self.assertRaisesRegex(ValueError, f"`{name}` must {rule}. .*{name}={value}"):
                DayNightWorldConfig("world", **{name: value})


class PhotographDayAndNightTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.city = City(4, "train", 1, 384)

    def pair(self, seed):
        return scene.photograph_day_and_night(self.city, 0, 96, np.random.default_rng(seed))

    def test_the_night_is_darker_and_shows_the_same_edges(self):
        pair, other = self.pair(1), self.pair(2)
        self.assertLess(pair["night"].mean(), pair["day"].mean())

        def edges(image):
            grey = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (0, 0), 1.5).astype(np.float32)
            strength = np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1))
            strength = cv2.resize(strength, (48, 48)).ravel()
            return (strength - strength.mean()) / strength.std()

        same = (edges(pair["day"]) * edges(pair["night"])).mean()
        self.assertGreater(same, (edges(pair["day"]) * edges(other["night"])).mean())

    def test_the_camera_moves_by_a_few_pixels_at_most(self):
        rng = np.random.default_rng(0)
        camera, _ = scene._stand_before(self.city.landmark(0), 96, rng, clear=True)
        corners = self.city.landmark(0).panels[0].corners()
        before, _ = camera.project(corners)
        shifts = [np.abs(scene._moved(camera, rng).project(corners)[0] - before).max() for _ in range(50)]
        self.assertLess(np.mean(shifts), 4)
        self.assertGreater(np.mean(shifts), 0.2)

    def test_moving_cameras_stand_on_one_side_by_day_and_on_the_other_by_night(self):
        cameras = []
        real = scene._render

        def render(city, camera, *rest):
            cameras.append(camera)
            return real(city, camera, *rest)

        with unittest.mock.patch.object(scene, "_render", render):
            for seed in range(3):
                scene.photograph_day_and_night(self.city, 0, 48, np.random.default_rng(seed),
                                               moving_cameras=True)
        sides = np.sign([camera.position[0] for camera in cameras])
        self.assertEqual(sides.tolist(), [sides[0], -sides[0]] * 3)


if __name__ == "__main__":
    unittest.main()
