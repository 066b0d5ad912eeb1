"""The JSON API, asked as programs ask it."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import pathlib
import tempfile
import threading
import time
import unittest
from unittest import mock

import cv2
import numpy as np

from delg.photos import found_files
from delg.scores.found import FoundImage
from delg.serving import searched
from tests.fixtures import photographs
from tests.fixtures.served import serving
from tests.fixtures.tiny_extraction import as_png
from tests.fixtures.walls import SHIFT_YX, save_model, wall, write_photographs


@contextlib.contextmanager
def comparing_held_back():
    """In the block pairs are compared once the event it gives is set."""
    going_on, compare = threading.Event(), searched.compare

    def slow(*arguments):
        going_on.wait(10)
        return compare(*arguments)

    with mock.patch.object(searched, "compare", slow):
        yield going_on


class ApiTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = pathlib.Path(cls.enterClassContext_(tempfile.TemporaryDirectory()))
        cls.saved_model, cls.photos = folder / "saved_model", folder / "photos"
        save_model(cls.saved_model)
        write_photographs(cls.photos)
        cls.client = cls.enterClassContext_(serving(cls.photos, cls.saved_model, max_upload_mb=1,
                                                    max_searches=2, max_megapixels=1))

    @classmethod
    def enterClassContext_(cls, context):  # Python 3.11 has its like
        entered = context.__enter__()
        cls.addClassCleanup(context.__exit__, None, None, None)
        return entered

    def says(self, response, status, pattern):
        """The one form of errors, with this status and message."""
        self.assertEqual(response.status_code, status, response.text)
        error = response.json()["error"]
        self.assertEqual(list(error), ["status", "message"])
        self.assertEqual(error["status"], status)
        self.assertRegex(error["message"], pattern)

    def test_an_upload_finds_the_other_photograph_of_the_wall(self):
        found = self.client.post("/v1/search", as_png(wall(0, (4, 4)))).json()
        self.assertEqual(found["verdict"], "same")
        self.assertEqual({hit["image"] for hit in found["hits"][:2]}, {"again.png", "trip/wall0.png"})
        self.assertEqual([hit["rank"] for hit in found["hits"]], [1, 2, 3, 4, 5])
        self.assertEqual([hit["verdict"] for hit in found["hits"]][:2], ["same", "same"])
        example = FoundImage("a", 1, 0.5)
        self.assertEqual(list(found["hits"][0]), list(found_files.as_hit(example)))

    def test_an_upload_says_where_it_was_taken(self):
        image = photographs.encode(wall(0, (4, 4)), "PNG", exif=photographs.gps_exif(-33.5, 151.25))
        self.assertEqual(self.client.post("/v1/search", image).json()["place"], {
            "latitude": -33.5, "longitude": 151.25, "radius_m": None, "source": "gps"})

    def test_without_a_version_the_address_serves_too(self):
        self.assertEqual(self.client.post("/search", as_png(wall(0))).json(),
                         self.client.post("/v1/search", as_png(wall(0))).json())

    def test_the_query_is_no_hit_of_itself_and_a_box_is_of_its_pixels(self):
        by_id = self.client.post("/v1/search", image_id="trip/wall0.png").json()
        by_file = self.client.post("/v1/search", as_png(wall(0))).json()
        self.assertEqual([hit["image"] for hit in by_id["hits"]], [hit["image"] for hit in by_file["hits"]])
        self.assertNotIn("trip/wall0.png", [hit["image"] for hit in by_id["hits"]])
        boxed = self.client.post("/v1/search", image_id="trip/wall0.png", box="16,12,76,72").json()
        first = boxed["hits"][0]
        self.assertEqual(first["image"], "again.png")
        y, x = SHIFT_YX
        np.testing.assert_allclose(first["box"], [16 - x, 12 - y, 76 - x, 72 - y], atol=3)

    def test_global_descriptors_alone_answer_without_verdicts(self):
        found = self.client.post("/v1/search?verify=false", as_png(wall(2)), num_hits=3).json()
        self.assertIsNone(found["verdict"])
        self.assertEqual([(hit["verdict"], hit["num_inliers"]) for hit in found["hits"]], [(None, -1)] * 3)

    def test_a_search_is_looked_at_while_it_goes_on(self):
        started = self.client.post("/v1/searches", as_png(wall(0)))
        self.assertEqual(started.status_code, 202)
        found = started.json()
        self.assertEqual((found["is_final"], found["verdict"], found["query_size"]), (False, None, [80, 96]))
        address = f"/v1/searches/{found['search']}"
        deadline = time.monotonic() + 10
        while not found["is_final"] and time.monotonic() < deadline:
            found = self.client.get(address).json()
        self.assertEqual(found["verdict"], "same")
        matches = self.client.get(f"{address}/matches/again.png").json()
        from_xy, to_xy = np.array(matches["query_points"]), np.array(matches["image_points"])
        self.assertEqual(len(from_xy), found["hits"][0]["num_inliers"])
        np.testing.assert_allclose(np.median(from_xy - to_xy, axis=0), SHIFT_YX[::-1], atol=0.5)
        self.assertEqual(matches["image_size"], [80, 96])
        picture = self.client.get(f"{address}/picture")
        self.assertEqual(picture.headers["content-type"], "image/jpeg")
        self.assertEqual(cv2.imdecode(np.frombuffer(picture.content, np.uint8), -1).shape, (80, 96, 3))
        self.says(self.client.get(f"{address}/matches/nowhere.png"), 404, "no 'nowhere.png' here")
        self.says(self.client.get("/v1/searches/none"), 404, "no 'none' here")

    def test_a_search_that_is_ended_says_so(self):
        with comparing_held_back() as going_on:
            address = f"/v1/searches/{self.client.post('/v1/searches', as_png(wall(1))).json()['search']}"
            self.assertEqual(self.client.delete(address).status_code, 204)
            going_on.set()
            deadline = time.monotonic() + 10
            while (response := self.client.get(address)).status_code == 200 and time.monotonic() < deadline:
                time.sleep(0.01)
        self.says(response, 410, "ended before it was done")

    def test_more_searches_than_there_are_places_are_asked_to_come_again(self):
        with comparing_held_back() as going_on:
            begun = [self.client.post("/v1/searches", as_png(wall(1))) for _ in range(2)]
            refused = self.client.post("/v1/search", as_png(wall(1)))
            going_on.set()
        self.assertEqual([response.status_code for response in begun], [202, 202])
        self.says(refused, 503, "2 searches are under way")
        self.assertEqual(refused.headers["retry-after"], "1")
        deadline = time.monotonic() + 10
        while self.client.post("/v1/search", as_png(wall(1))).status_code == 503:
            self.assertLess(time.monotonic(), deadline)

    def test_a_search_whose_request_is_cancelled_ends_and_gives_its_place_back(self):
        begun, go_on = threading.Event(), threading.Event()
        compared = []

        def slow(*_):
            compared.append(begun.set())
            go_on.wait(10)
            raise AssertionError("nobody is told")

        async def stays():
            return False

        async def cancelled():
            asking = asyncio.create_task(self.client.service.search(as_png(wall(0)), "", "", 5, True, stays))
            await asyncio.get_running_loop().run_in_executor(None, begun.wait, 10)
            asking.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await asking

        with mock.patch.object(searched, "compare", slow):
            asyncio.run(cancelled())
            self.assertEqual(self.client.service.monitoring.running._value.get(), 0)
            go_on.set()
        self.assertEqual(len(compared), 1)

    def test_a_verification_needs_a_place_too_and_gives_it_back(self):
        for image, status in ((as_png(wall(0)), 200), (b"no image", 422)):
            for _ in range(3):  # of two places
                response = self.client.post("/v1/verify", image, image_id="again.png")
                self.assertEqual(response.status_code, status)
        with mock.patch.object(self.client.service, "_places", threading.Semaphore(0)):
            self.says(self.client.post("/v1/verify", as_png(wall(0)), image_id="again.png"), 503, "under way")

    def test_a_fault_of_the_server_does_not_blame_the_image(self):
        with mock.patch.object(searched, "compare", side_effect=ValueError("/a/shard.h5 is damaged")), \
                self.assertLogs("uvicorn.error", "ERROR") as logged:
            self.says(self.client.post("/v1/search", as_png(wall(0))), 500, "its log says which.$")
            deadline = time.monotonic() + 10
            while not logged.records and time.monotonic() < deadline:  # it answers before it logs
                time.sleep(0.01)
        self.client.session.close()  # as the server does

    def test_one_pair_is_verified(self):
        found = self.client.post("/v1/verify", as_png(wall(0)), image_id="again.png").json()
        self.assertEqual((found["hit"]["image"], found["hit"]["verdict"]), ("again.png", "same"))
        self.assertEqual(len(found["matches"]["query_points"]), found["hit"]["num_inliers"])
        self.says(self.client.post("/v1/verify", as_png(wall(0)), image_id="x"), 404, "no 'x' here")

    def test_images_are_listed_and_shown(self):
        listed = self.client.get("/v1/images?containing=WALL&first=1&limit=2").json()
        self.assertEqual(listed, {"total": 4, "images": ["trip/wall1.png", "trip/wall2.png"],
                                  "can_change": True})
        shown = self.client.get("/v1/images/trip/wall1.png?size=48")
        self.assertEqual(cv2.imdecode(np.frombuffer(shown.content, np.uint8), -1).shape, (40, 48, 3))
        again = self.client.get("/v1/images/trip/wall1.png?size=48",
                                headers={"If-None-Match": shown.headers["etag"]})
        self.assertEqual((again.status_code, again.content), (304, b""))

    def test_head_is_answered_as_get_without_a_body(self):
        for path in ("/", "/v1/health", "/v1/images/trip/wall1.png?size=48"):
            with self.subTest(path):
                asked = self.client.session.head(self.client.address + path, timeout=20)
                got = self.client.get(path)
                self.assertEqual((asked.status_code, asked.content), (200, b""))
                self.assertEqual(asked.headers["content-length"], str(len(got.content)))

    def test_no_address_reaches_a_file(self):
        for path in ("../saved_model/saved_model.pb", "..%2Fsaved_model%2Fsaved_model.pb", "/etc/passwd",
                     "trip/../again.png", "bad.jpg"):
            with self.subTest(path):
                connection = http.client.HTTPConnection(self.client.address.partition("//")[2], timeout=20)
                connection.request("GET", f"/v1/images/{path}")  # as it is: other clients tidy paths up
                self.assertEqual(connection.getresponse().status, 404)
                connection.close()
        self.assertEqual(self.client.get("/serve.py").status_code, 404)

    def test_what_cannot_be_searched_is_refused_with_a_reason(self):
        image = as_png(wall(0))
        for expected, response in (
                ((422, "Give `image`"), self.client.post("/v1/search")),
                ((422, "Give `image`"), self.client.post("/v1/search", image, image_id="again.png")),
                ((422, "cannot be used"), self.client.post("/v1/search", b"no image")),
                ((422, "zero bytes"), self.client.post("/v1/search", b"")),
                ((422, "box.*Received: '1,2'"), self.client.post("/v1/search", image, box="1,2")),
                ((422, "box.*nan"), self.client.post("/v1/search", image, box="nan,0,9,9")),
                ((422, "box.*1e300"), self.client.post("/v1/search", image, box="0,0,1e300,1e300")),
                ((422, "no pixels"), self.client.post("/v1/search", image, box="900,0,990,90")),
                ((422, "too small"), self.client.post("/v1/search", image, box="3,3,4,4")),
                ((422, "too plain"), self.client.post("/v1/search", as_png(np.zeros((80, 96, 3), np.uint8)))),
                ((422, "more than the limit"), self.client.post(
                    "/v1/images", photographs.with_size(photographs.jpeg(), 5000, 5000))),
                ((422, "num_hits.*less than or equal to 200"), self.client.post(
                    "/v1/search", image, num_hits="900")),
                ((422, "num_hits"), self.client.post("/v1/search", image, num_hits="many")),
                ((422, "more than the limit"), self.client.post(
                    "/v1/search", photographs.with_size(photographs.jpeg(), 5000, 5000))),
                ((404, "no 'x' here"), self.client.post("/v1/search", image_id="x")),
                ((413, "at most 1 MiB"), self.client.post("/v1/search", bytes(3 << 20))),
                ((405, "Method Not Allowed"), self.client.get("/v1/search")),
                ((404, "Not Found"), self.client.get("/nothing"))):
            with self.subTest(expected):
                self.says(response, *expected)
        self.assertEqual(self.client.service.monitoring.running._value.get(), 0)

    def test_an_upload_without_a_length_is_counted(self):
        def endless():
            yield b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
            for _ in range(40):
                yield bytes(1 << 16)

        self.says(self.client.session.post(
            self.client.address + "/v1/search", data=endless(), timeout=20,
            headers={"Content-Type": "multipart/form-data; boundary=x"}), 413, "at most 1 MiB")

    def test_pages_of_other_sites_and_other_names_are_refused(self):
        self.says(self.client.post("/v1/images", as_png(wall(9)), headers={"Origin": "http://evil.example"}),
                  403, "other sites")
        self.says(self.client.get("/v1/health", headers={"Host": "evil.example"}), 421, "evil.example")
        self.assertEqual(self.client.get("/v1/health", headers={"Host": "localhost:1"}).status_code, 200)

    def test_every_answer_has_the_headers_of_safety(self):
        for path in ("/", "/serve.js", "/v1/health", "/nothing"):
            headers = self.client.get(path).headers
            self.assertIn("default-src 'none'", headers["content-security-policy"])
            self.assertEqual(headers["x-content-type-options"], "nosniff")

    def test_open_api_describes_every_address_and_the_one_form_of_errors(self):
        described = self.client.get("/openapi.json").json()
        self.assertEqual(set(described["paths"]), {
            f"/v1/{path}" for path in ("search", "searches", "searches/{search_id}", "verify", "images",
                                       "searches/{search_id}/picture", "health", "metrics", "map",
                                       "searches/{search_id}/matches/{image_id}", "images/{image_id}")})
        for path, methods in described["paths"].items():
            for method, operation in methods.items():
                with self.subTest(path=path, method=method):
                    form = operation["responses"]["default"]["content"]["application/json"]["schema"]
                    self.assertEqual(form, {"$ref": "#/components/schemas/Error"})
                    self.assertTrue(operation["description"])
        self.assertNotIn("HTTPValidationError", described["components"]["schemas"])
        for path in ("images/{image_id}", "searches/{search_id}/picture"):
            answer = described["paths"][f"/v1/{path}"]["get"]["responses"]["200"]
            self.assertIn("image/jpeg", answer["content"])

    def test_figures_are_counted_by_address(self):
        self.client.get("/v1/images/again.png")
        text = self.client.get("/v1/metrics").text
        self.assertRegex(text, r'delg_requests_total\{method="GET",route="/v1/images/\{image_id:text\}",'
                               r'status="200"\} [1-9]')
        self.assertIn("delg_images 5.0", text)

    def test_words_of_clients_do_not_become_names_of_figures(self):
        self.client.session.request("FROBNICATE", self.client.address + "/v1/health", timeout=20)
        text = self.client.get("/v1/metrics").text
        self.assertNotIn("FROBNICATE", text)
        self.assertRegex(text, r'method="other",route="[^"]+",status="405"')

    def test_the_health_of_the_server(self):
        self.assertEqual(self.client.get("/health").json(), {"status": "ok", "images": 5})


if __name__ == "__main__":
    unittest.main()
