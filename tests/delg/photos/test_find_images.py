"""Photographs of a folder found by one command, as a user types it."""

from __future__ import annotations

import csv
import json
import os
import pathlib
import shutil
import tempfile
import unittest
from unittest import mock

import h5py
import numpy as np

from data_prep.stage import files
from delg.features import folder_features, shards
from delg.photos import finding
from delg.search import retrieval
from delg.settings.extraction import ExtractConfig
from tests.fixtures import foreign_models, photographs, scripts
from tests.fixtures.tiny_extraction import as_png
from tests.fixtures.walls import SHIFT_YX, copy_photographs, save_model, wall, write_photographs

FIELDS = ["image", "rank", "similarity", "num_inliers", "probability", "verdict", "box", "place"]


class FindImagesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.given = pathlib.Path(folder.name)
        cls.saved_model = cls.given / "saved_model"
        save_model(cls.saved_model)
        photos = cls.given / "photos"
        write_photographs(photos)
        done = cls.call(cls, photos, query=photos / "trip/wall0.png")
        assert done.returncode == 0, done.stderr

    def call(self, photos, *, query=(), **settings):
        return scripts.run("delg.find_images", images_dir=photos, query=query, **{
            "saved_model": self.saved_model, "score_threshold": 0, "max_num_features": 300, "min_inliers": 30,
            **settings})

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.photos = copy_photographs(self.given, self.folder)

    def find(self, **settings):
        """What the JSON file says."""
        done = self.call(self.photos, output=self.folder / "found.json", **settings)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads((self.folder / "found.json").read_text())

    def fails(self, pattern, photos=None, **settings):
        done = self.call(photos or self.photos, **settings)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, pattern)

    def test_the_other_photograph_of_the_wall_is_the_first_hit(self):
        query = str(self.photos / "trip/wall0.png")
        found = self.find(query=query)
        self.assertEqual(list(found), ["queries"])
        (answer,) = found["queries"]
        self.assertEqual(list(answer), ["query", "verdict", "place", "hits"])
        self.assertEqual(answer["query"], query)
        self.assertEqual([list(hit) for hit in answer["hits"]], [FIELDS] * 4)
        first = answer["hits"][0]
        self.assertEqual((first["image"], first["rank"]), (str(self.photos / "again.png"), 1))
        self.assertGreater(first["num_inliers"], 60)
        y, x = SHIFT_YX
        np.testing.assert_allclose(first["box"], [0, 0, 96 - x, 80 - y], atol=2)
        self.assertTrue(answer["hits"][-1]["probability"] < first["probability"] <= 1)
        self.assertEqual((first["verdict"], answer["verdict"]), ("same", "same"))
        self.assertIsNone(answer["hits"][-1]["box"])

    def write_places(self, rows="again.png,48.2,16.37\ntrip/wall3.png,10,20\n"):
        path = self.folder / "places.csv"
        path.write_text(f"image,latitude,longitude\n{rows}")
        return path

    def test_hits_that_are_the_same_tell_where_the_query_was_taken(self):
        place = {"latitude": 48.2, "longitude": 16.37, "radius_m": None, "source": "table"}
        query, places_csv = self.photos / "trip/wall0.png", self.write_places()
        (answer,) = self.find(query=query, places_csv=places_csv)["queries"]
        self.assertEqual(answer["hits"][0]["place"], place)
        self.assertEqual({hit["image"]: hit["place"] for hit in answer["hits"]}[
            str(self.photos / "trip/wall3.png")]["latitude"], 10)
        self.assertEqual(answer["place"], {**place, "radius_m": 50, "source": "hits"})
        (alone,) = self.find(query=self.photos / "trip/wall1.png", places_csv=places_csv)["queries"]
        self.assertIsNone(alone["place"])
        own = self.write_places("wall0.png,1,2\n")
        self.assertEqual(self.find(query=query, places_csv=own)["queries"][0]["place"]["source"], "table")
        copy = self.folder / "copy.png"
        shutil.copy(query, copy)  # has the place of what it is a copy of
        self.assertEqual(self.find(query=copy, places_csv=own)["queries"][0]["place"]["latitude"], 1)

    def test_places_as_geojson_as_a_table_and_on_the_terminal(self):
        settings = {"query": [self.photos / "trip/wall0.png", self.photos / "trip/wall1.png"],
                    "places_csv": self.write_places()}
        done = self.call(self.photos, output=self.folder / "places.geojson", **settings)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("same, at 48.20000, 16.37000, within 50 m", " ".join(done.stdout.split()))
        made = json.loads((self.folder / "places.geojson").read_text())
        of_queries = [feature["geometry"] for feature in made["features"]
                      if feature["properties"]["kind"] == "query"]
        self.assertEqual(of_queries, [{"type": "Point", "coordinates": [16.37, 48.2]}, None])
        self.call(self.photos, output=self.folder / "found.csv", **settings)
        rows = list(csv.DictReader((self.folder / "found.csv").read_text().splitlines()))
        self.assertEqual([(row["latitude"], row["query_longitude"], row["query_radius_m"])
                          for row in (rows[0], rows[4])], [("48.2", "16.37", "50.0"), ("48.2", "", "")])

    def test_a_table_of_places_is_refused_before_the_work(self):
        (self.folder / "no.csv").write_text("a,b\n1,2\n")
        self.fails("must have the columns image or id", work_dir=self.folder / "new",
                   places_csv=self.folder / "no.csv")
        self.assertFalse((self.folder / "new").exists())
        self.fails("`places_csv` must name images", places_csv=self.write_places("other.png,1,2\n"))

    def test_a_function_gives_what_the_command_prints(self):
        photos, work_dir = str(self.photos), str(self.folder / "work")
        query = str(self.photos / "again.png")
        with mock.patch.object(finding, "photo_extraction", lambda: ExtractConfig(
                max_image_size=512, max_num_features=300, score_threshold=0.0, max_bad_fraction=1.0)):
            (answer,) = finding.find_in_folder(photos, [query], work_dir, str(self.saved_model), num_hits=2)
        self.assertEqual((answer.query, len(answer.hits), os.path.basename(answer.hits[0].image)),
                         (query, 2, "wall0.png"))

    def test_the_terminal_shows_a_table_and_what_was_left_out(self):
        done = self.call(self.photos, query=self.photos / "trip/wall0.png")
        for words in ("rank", "verdict", "probability", "inliers", "again.png",
                      "Left out 1: bad.jpg (", "1 query in 5 photographs of"):
            self.assertIn(words, done.stdout)

    def test_a_copy_of_the_query_is_not_its_own_hit_nor_is_a_link_to_it(self):
        copy = self.folder / "copy.png"
        shutil.copy(self.photos / "trip/wall0.png", copy)
        hits = self.find(query=copy)["queries"][0]["hits"]
        self.assertNotIn(str(self.photos / "trip/wall0.png"), [hit["image"] for hit in hits])
        output = self.folder / "found.html"
        said = "The same file, so no hit: trip/wall0.png."
        self.assertIn(said, " ".join(self.call(self.photos, query=copy, output=output).stdout.split()))
        self.assertIn(said, output.read_text())
        self.assertNotIn("The same file", self.call(self.photos, query=self.photos / "trip/wall0.png").stdout)

    def test_names_that_are_not_utf_8_are_written_out(self):
        name = os.fsdecode(b"caf\xe9.png")
        shutil.copy(self.photos / "again.png", self.photos / name)
        with open(self.folder / name, "wb") as file:
            file.write(as_png(wall(1, SHIFT_YX)))
        for query in (self.photos / name, self.folder / name, self.photos / "trip/wall0.png"):
            for suffix in (".html", ".csv", ".json"):
                done = self.call(self.photos, query=query, output=self.folder / f"found{suffix}")
                self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("caf\\xe9.png", (self.folder / "found.html").read_text())

    def test_a_photograph_of_the_folder_is_searched_for_without_the_model(self):
        copy, model = self.folder / "copy.png", self.folder / "model"
        shutil.copy(self.photos / "trip/wall0.png", copy)
        queries = [copy, self.photos / "again.png", self.photos / "trip/wall0.png"]
        expected = self.find(query=queries)
        (shard,) = (self.folder / "photos.found/features").glob("*.h5")
        fingerprint = shards.read_shard_attributes(str(shard))[0]["fingerprint"]
        model.mkdir()  # without a SavedModel
        files.write_checked_json(str(model / "export_config.json"),
                                 {"fingerprint": fingerprint, "attention_threshold": None})
        for settings in ({}, {"score_threshold": ()}):  # the learnt one, which is 0 too
            self.assertEqual(self.find(query=queries, saved_model=model, **settings), expected)
        self.fails("saved_model.pb", query=queries[0], box="8,8,60,60", saved_model=model)
        self.fails("saved_model.pb", query=queries[0], max_image_size=64, saved_model=model)

    def test_queries_new_and_known_come_in_their_order(self):
        new = self.folder / "new.png"
        new.write_bytes(as_png(wall(1, SHIFT_YX)))
        queries = [str(new), str(self.photos / "again.png"), str(new)]
        found = self.find(query=queries)["queries"]
        self.assertEqual([answer["query"] for answer in found], queries[:2])
        self.assertEqual([os.path.basename(answer["hits"][0]["image"]) for answer in found],
                         ["wall1.png", "wall0.png"])

    def test_a_box_is_searched_for_and_placed_in_the_hit(self):
        box = (32, 24, 80, 72)
        found = self.find(query=self.photos / "trip/wall0.png", box=",".join(map(str, box)))
        hits = found["queries"][0]["hits"]
        self.assertEqual(os.path.basename(hits[0]["image"]), "again.png")
        y, x = SHIFT_YX
        np.testing.assert_allclose(hits[0]["box"], np.subtract(box, (x, y, x, y)), atol=3)

    def test_without_a_query_every_photograph_is_compared_with_all_others(self):
        found = {os.path.basename(answer["query"]): answer["hits"] for answer in self.find()["queries"]}
        self.assertEqual(sorted(found), ["again.png", *(f"wall{seed}.png" for seed in range(4))])
        self.assertEqual(os.path.basename(found["again.png"][0]["image"]), "wall0.png")
        for name, hits in found.items():
            self.assertNotIn(name, [os.path.basename(hit["image"]) for hit in hits])

    def test_of_all_against_all_no_more_is_verified_than_is_shown(self):
        for query, expected in ((), 3), (self.photos / "again.png", 50):
            with mock.patch.object(retrieval, "search", wraps=retrieval.search) as searched:
                self.find(query=query, num_hits=2)
            self.assertEqual(searched.call_args.args[-1].num_rerank, expected)

    def test_a_table_has_a_row_for_each_hit(self):
        output = self.folder / "found.csv"
        queries = [self.photos / "trip/wall0.png", self.photos / "again.png"]
        self.assertEqual(self.call(self.photos, query=queries, num_hits=2, output=output).returncode, 0)
        rows = list(csv.DictReader(output.read_text().splitlines()))
        self.assertEqual([row["rank"] for row in rows], ["1", "2"] * 2)
        self.assertEqual(os.path.basename(rows[2]["image"]), "wall0.png")
        self.assertTrue(float(rows[2]["x1"]) < float(rows[2]["x2"]))

    def test_a_page_shows_query_hits_and_matches(self):
        output = self.folder / "found.html"
        self.assertEqual(self.call(self.photos, query=self.photos / "trip/wall0.png",
                                   output=output).returncode, 0)
        page = output.read_text()
        for words in ("again.png", "trip/wall3.png", "data:image/jpeg"):
            self.assertIn(words, page)
        self.assertNotIn(str(self.photos / "trip/wall3.png"), page)  # hits are called by their place in it

    def test_only_what_is_new_or_changed_is_described(self):
        described, describe = [], folder_features.extract_shard

        def noted(describer, images, *arguments):
            images = list(images)
            described.extend(image_id for image_id, _ in images)
            return describe(describer, iter(images), *arguments)

        (self.photos / "new.png").write_bytes(as_png(wall(5)))
        (self.photos / "trip/wall1.png").write_bytes(as_png(wall(6)))
        (self.photos / "trip/wall2.png").unlink()
        with mock.patch.object(folder_features, "extract_shard", noted):
            hits = self.find(query=self.photos / "trip/wall0.png")["queries"][0]["hits"]
        self.assertEqual(described, ["new.png", "trip/wall1.png"])
        self.assertEqual(sorted(os.path.basename(hit["image"]) for hit in hits),
                         ["again.png", "new.png", "wall1.png", "wall3.png"])

    def test_what_cannot_be_verified_is_only_alike(self):
        small = self.folder / "small.png"
        small.write_bytes(as_png(wall(0)[:20, :20]))  # too small for local features
        (answer,) = self.find(query=small)["queries"]
        self.assertEqual(answer["verdict"], "not in this collection")
        for hit in answer["hits"]:
            self.assertEqual((hit["num_inliers"], hit["probability"], hit["verdict"]),
                             (-1, None, "only alike"))

    def test_what_is_damaged_or_gone_of_the_work_folder_is_made_again(self):
        expected = self.find(query=self.photos / "again.png")
        work_dir = self.folder / "photos.found"
        (work_dir / "collection.json").write_text('{"ind')
        self.assertEqual(self.find(query=self.photos / "again.png"), expected)
        for name in ("index", "local_index"):
            descriptors = next((work_dir / name).glob("*.npy"))
            descriptors.write_bytes(descriptors.read_bytes()[:-8])
            self.assertEqual(self.find(query=self.photos / "again.png"), expected)
            shutil.rmtree(work_dir / name)
            self.assertEqual(self.find(query=self.photos / "again.png"), expected)

    def test_features_that_cannot_be_opened_for_now_are_kept(self):
        (shard,) = (self.folder / "photos.found/features").glob("*.h5")
        with mock.patch("h5py.File", side_effect=PermissionError(13, "Permission denied")):
            self.fails("photos-.*h5 must be .* Permission denied", query=self.photos / "again.png")
        self.assertTrue(shard.exists())

    def test_damaged_features_are_described_again(self):
        expected = self.find(query=self.photos / "again.png")
        (shard,) = (self.folder / "photos.found/features").glob("*.h5")
        shard.write_bytes(shard.read_bytes()[:-100])
        with self.assertLogs("absl", "WARNING") as logs:
            found = self.find(query=self.photos / "again.png")
        self.assertRegex(" ".join(logs.output), "described again: .*photos-.*h5")
        self.assertEqual(found, expected)
        with h5py.File(shard) as file:
            place = file["scales"].id.get_chunk_info(0).byte_offset
        with open(shard, "r+b") as file:
            file.seek(place)
            file.write(b"\x99" * 8)
        self.fails("photos-.*h5 must be .* Remove it: its photographs are described again",
                   query=self.photos / "again.png")

    def test_a_model_with_global_descriptors_and_scales_of_its_own_serves(self):
        model, query = self.folder / "fixed", self.photos / "again.png"
        foreign_models.save_tf2(str(model), "fixed")
        (answer,) = self.find(query=query, saved_model=model, work_dir=self.folder / "work",
                              max_num_features=(), score_threshold=(), min_inliers=())["queries"]
        self.assertEqual([hit["num_inliers"] for hit in answer["hits"]], [-1] * 4)

    def test_the_floor_is_found_once(self):
        query = self.photos / "trip/wall0.png"
        first = self.find(query=query, min_inliers=0)
        with mock.patch("delg.search.floor.pairs_far_down", side_effect=AssertionError):
            self.assertEqual(self.find(query=query, min_inliers=0), first)

    def test_errors_at_the_door(self):
        query = self.photos / "trip/wall0.png"
        self.fails("`output` must end in .html, .csv, .json.*found.txt", query=query, output="found.txt")
        self.fails("`box` must come with one `query`", box="1,2,3,4")
        self.fails("`box` must be x1,y1,x2,y2", query=query, box="5,5,5,9")
        self.fails("`box` must have pixels of the query, of 96 x 80", query=query, box="100,0,200,50")
        self.fails("`query` must be an image file.*nowhere.jpg", query="nowhere.jpg")
        self.fails("`query` must be an image file.*photos', which is no file", query=self.photos)
        self.fails("`verdict` must be a file of delg.fit_verification.*no.json", query=query,
                   verdict="no.json", work_dir=self.folder / "unmade")
        self.assertFalse((self.folder / "unmade").exists())
        self.fails("bad.jpg must be an image that can be decoded", query=self.photos / "bad.jpg")
        self.fails("same model and settings.*max_image_size", query=query, max_image_size=64)
        other = self.folder / "other"
        other.mkdir()
        self.fails("`images_dir` must hold images", photos=other, query=query)
        self.fails("`images_dir` must be a folder", photos=self.folder / "nowhere", query=query)
        (other / "photo.jpg").write_bytes(photographs.jpeg())
        self.assertEqual(self.call(self.photos, query=query).returncode, 0)
        self.fails("`work_dir` must be of the photographs of `images_dir`", photos=other, query=query,
                   work_dir=self.folder / "photos.found")
