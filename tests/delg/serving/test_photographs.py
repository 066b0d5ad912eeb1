"""A collection that grows and shrinks while it is searched, asked as programs ask it."""

from __future__ import annotations

import gc
import pathlib
import tempfile
import threading
import time
import unittest
import urllib.parse
import weakref
from unittest import mock

from delg.photos import collection
from delg.serving import photographs
from delg.settings.places import PlacesConfig
from delg.settings.serving import ServeConfig
from tests.fixtures.served import serving
from tests.fixtures.tiny_extraction import as_png
from tests.fixtures.walls import copy_photographs, save_model, wall, write_photographs


class ChangesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.given = pathlib.Path(folder.name)
        save_model(cls.given / "saved_model")
        write_photographs(cls.given / "photos")
        with serving(cls.given / "photos", cls.given / "saved_model"):
            pass

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.photos = copy_photographs(self.given, pathlib.Path(folder.name))

    def serving(self, **settings):
        return serving(self.photos, self.given / "saved_model", **settings)

    def test_hits_have_their_places_and_tell_that_of_the_query(self):
        places = self.photos.parent / "places.csv"
        places.write_text("image,latitude,longitude\nagain.png,10,20\nwall0.png,10,20\nwall3.png,1,2\n")
        with self.serving(places=PlacesConfig(
                places_csv=str(places), tile_url="https://{s}.tiles.org/{z}/{x}/{y}.png",
                tile_attribution="Tiles & all")) as client:
            place = {"latitude": 10, "longitude": 20, "radius_m": None, "source": "table"}
            found = client.post("/v1/search", as_png(wall(0, (4, 4)))).json()
            self.assertEqual(found["place"], {**place, "radius_m": 50, "source": "hits"})
            self.assertEqual([hit["place"] for hit in found["hits"][:2]], [place] * 2)
            self.assertEqual(sum(hit["place"] is None for hit in found["hits"]), 2)
            self.assertIsNone(client.post("/v1/search", as_png(wall(9))).json()["place"])
            for known in ({"image_id": "trip/wall3.png"}, {"image": as_png(wall(3))}):  # its own, or a copy's
                self.assertEqual(client.post("/v1/search", **known).json()["place"],
                                 {**place, "latitude": 1, "longitude": 2})
            pair = client.post("/v1/verify", as_png(wall(9)), image_id="again.png").json()
            self.assertEqual(pair["hit"]["place"], place)
            self.assertEqual(client.get("/v1/map").json(), {
                "tile_url": "https://{s}.tiles.org/{z}/{x}/{y}.png", "tile_attribution": "Tiles & all"})
            policy = client.get("/").headers["Content-Security-Policy"]
            self.assertIn("img-src 'self' blob: data: https://*.tiles.org;", policy)
            for image in ("again.png", "trip/wall0.png", "trip/wall3.png"):  # no image of the table stays
                self.assertEqual(client.delete(f"/v1/images/{image}").status_code, 200)
            self.assertIsNone(client.post("/v1/search", as_png(wall(0, (4, 4)))).json()["place"])

    def test_an_image_is_added_found_and_removed_and_the_next_server_knows(self):
        with self.serving() as client:
            added = client.post("/v1/images", as_png(wall(7)))
            self.assertEqual(added.status_code, 201, added.text)
            image = added.json()["image"]
            self.assertRegex(image, r"^added/[0-9a-f]{16}\.png$")
            self.assertEqual(client.post("/v1/images", as_png(wall(7))).json()["image"], image)
            hits = client.post("/v1/search", as_png(wall(7, (4, 8)))).json()["hits"]
            self.assertEqual((hits[0]["image"], hits[0]["verdict"]), (image, "same"))
            self.assertEqual(client.delete("/v1/images/trip/wall3.png").json(), {"image": "trip/wall3.png"})
            self.assertEqual(client.delete("/v1/images/trip/wall3.png").status_code, 404)
            refused = client.post("/v1/images", b"no image")
            self.assertEqual(refused.status_code, 422)
        self.assertTrue((self.photos / "trip/wall3.png").exists())  # it was not the server's
        with self.serving() as client:
            self.assertEqual(client.get("/v1/images").json()["images"], [
                image, "again.png", "trip/wall0.png", "trip/wall1.png", "trip/wall2.png"])
            client.delete(f"/v1/images/{image}")
            self.assertFalse((self.photos / image).exists())
            self.assertEqual(client.get("/v1/health").json()["images"], 4)

    def test_several_at_once_share_the_work(self):
        with self.serving() as client:
            before = client.service.photographs._bring_up_to_date
            calls = []
            with mock.patch.object(client.service.photographs, "_bring_up_to_date",
                                   lambda: (calls.append(1), time.sleep(0.3), before())):
                threads = [threading.Thread(target=client.post, args=("/v1/images", as_png(wall(seed))))
                           for seed in range(20, 26)]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
            self.assertEqual(client.get("/v1/health").json()["images"], 11)
            self.assertLess(len(calls), 6)

    def test_changes_need_the_token(self):
        with self.serving(token="a long secret") as client:
            for headers in ({}, {"Authorization": "Bearer other"}, {"Authorization": "a long secret"}):
                refused = client.post("/v1/images", as_png(wall(7)), headers=headers)
                self.assertEqual((refused.status_code, refused.headers["www-authenticate"]),
                                 (401, "Bearer"))
            self.assertEqual(client.delete("/v1/images/again.png").status_code, 401)
            good = {"Authorization": "Bearer a long secret"}
            self.assertEqual(client.post("/v1/images", as_png(wall(7)), headers=good).status_code, 201)

    def test_another_address_than_this_machine_allows_no_changes_without_a_token(self):
        with self.serving(host="0.0.0.0") as client:
            refused = client.post("/v1/images", as_png(wall(7)))
            self.assertEqual(refused.status_code, 403)
            self.assertIn("--token", refused.json()["error"]["message"])
            self.assertEqual(client.get("/health", headers={"Host": "a.example"}).status_code, 200)

    def test_an_image_removed_while_a_change_goes_on_stays_removed(self):
        goes_on, update = threading.Event(), collection.update_indexes

        def slow(*arguments):
            goes_on.set()
            time.sleep(0.3)
            return update(*arguments)

        with self.serving() as client, mock.patch.object(collection, "update_indexes", slow):
            adding = threading.Thread(target=client.service.photographs.add, args=(as_png(wall(7)), 10_000))
            adding.start()
            goes_on.wait(10)
            self.assertEqual(client.delete("/v1/images/again.png").status_code, 200)
            adding.join()
            self.assertEqual(client.get("/v1/images?containing=again").json()["total"], 0)

    def test_the_last_image_stays_whoever_asks_at_the_same_time(self):
        with self.serving() as client:
            ids = client.get("/v1/images").json()["images"]
            answers = []
            threads = [threading.Thread(target=lambda path: answers.append(client.delete(path)), args=(
                f"/v1/images/{image_id}",)) for image_id in ids]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(sorted(answer.status_code for answer in answers), [200, 200, 200, 200, 409])
            (refused,) = (answer for answer in answers if answer.status_code == 409)
            self.assertIn("last image", refused.json()["error"]["message"])
            self.assertEqual(client.get("/v1/health").json()["images"], 1)

    def test_files_that_the_server_did_not_make_are_kept_and_those_removed_by_hand_forgotten(self):
        mine = self.photos / "added/mine.png"
        mine.parent.mkdir()
        mine.write_bytes(as_png(wall(8)))
        with self.serving() as client:
            self.assertEqual(client.delete("/v1/images/added/mine.png").status_code, 200)
            self.assertTrue(mine.exists())
            added = client.post("/v1/images", as_png(wall(7))).json()["image"]
            (self.photos / added).unlink()
            (self.photos / "again.png").unlink()
            boxed = client.post("/v1/search", image_id="again.png", box="0,0,40,40")
            self.assertEqual(boxed.status_code, 404)
            self.assertEqual(client.delete(f"/v1/images/{added}").status_code, 200)
            self.assertEqual(client.get("/v1/health").json()["images"], 4)

    def test_ids_may_have_any_characters(self):
        names = ["what?#50%.png", "a%2Fb.png", "new\nline.png", "search"]
        for number, name in enumerate(names[:3]):
            (self.photos / name).write_bytes(as_png(wall(100 + number)))
        with self.serving() as client:
            for name, status in zip(names, (200, 200, 200, 404)):
                path = f"/v1/images/{urllib.parse.quote(name)}"
                with self.subTest(name):
                    self.assertEqual(client.get(path).status_code, status)
                    self.assertEqual(client.delete(path).status_code, status)

    def test_a_second_process_is_told_of_the_server(self):
        config = ServeConfig(images_dir=str(self.photos), saved_model=str(self.given / "saved_model"))
        says = "`work_dir` must be used by one .*photos.found.*such as delg.serve: end that, or search there"
        with self.serving(), self.assertRaisesRegex(OSError, says), photographs.opened(config):
            pass

    def test_a_full_disk_is_said_and_leaves_nothing(self):
        full = OSError(28, "No space left on device")
        with self.serving() as client:
            for function in ("os.fsync", "delg.photos.collection.update_indexes"):
                with self.subTest(function), mock.patch(function, side_effect=full):
                    refused = client.post("/v1/images", as_png(wall(7)))
                    self.assertEqual(refused.status_code, 507)
                    self.assertIn("No space left on device.", refused.json()["error"]["message"])
                    self.assertEqual(list((self.photos / "added").iterdir()), [])
            self.assertEqual(client.post("/v1/images", as_png(wall(7))).status_code, 201)

    def test_searches_that_are_kept_do_not_keep_an_older_collection(self):
        with self.serving() as client:
            before = weakref.ref(client.service.searched)
            client.post("/v1/searches", as_png(wall(0)))
            deadline = time.monotonic() + 10
            while client.service.monitoring.running._value.get() and time.monotonic() < deadline:
                time.sleep(0.01)
            client.delete("/v1/images/again.png")
            gc.collect()
            self.assertIsNone(before())


if __name__ == "__main__":
    unittest.main()
