"""The script, as a process of its own: how it begins, ends, and what a killed one leaves."""

from __future__ import annotations

import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import unittest
from unittest import mock

import requests

from delg.features.describing import ImageDescriber
from delg.features.query_files import describe_files
from delg.index import building
from delg.serving import photographs, routes
from delg.serving.limits import Limits
from delg.settings.serving import ServeConfig
from tests.fixtures import scripts
from tests.fixtures.served import wall_extraction
from tests.fixtures.tiny_extraction import as_png
from tests.fixtures.walls import save_model, wall, write_photographs


class ServerTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.saved_model, cls.photos = cls.folder / "saved_model", cls.folder / "photos"
        save_model(cls.saved_model)
        write_photographs(cls.photos)

    def start(self):
        """A server as users start it, and its address."""
        process = subprocess.Popen(
            [sys.executable, "-m", "delg.serve", f"--images_dir={self.photos}",
             f"--saved_model={self.saved_model}", "--port=0"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        said = process.stdout.readline()
        self.assertRegex(said, r"^http://127\.0\.0\.1:\d+: \d+ images\. Ctrl-C ends\.$")
        return process, said.partition(": ")[0]

    def test_an_upload_survives_a_kill_and_sigterm_answers_what_is_under_way(self):
        killed, address = self.start()
        sending = threading.Thread(target=self.send, args=(address, as_png(wall(7))), daemon=True)
        sending.start()
        added = self.photos / "added"
        while not (added.exists() and any(path.suffix == ".png" for path in added.iterdir())):
            self.assertTrue(sending.is_alive())
        killed.kill()  # before or while it is described
        killed.wait()
        sending.join()
        ended, address = self.start()
        query = as_png(wall(7, (4, 8)))
        hits = requests.post(f"{address}/v1/search", files={"image": query}, timeout=60).json()["hits"]
        self.assertRegex(hits[0]["image"], "^added/")
        ended.send_signal(signal.SIGTERM)
        self.assertEqual(ended.wait(15), 128 + signal.SIGTERM)
        self.assertIn("Ended by SIGTERM", ended.stderr.read())

    def send(self, address, encoded):
        with contextlib.suppress(requests.ConnectionError):  # it is killed
            requests.post(f"{address}/v1/images", files={"image": encoded}, timeout=60)

    def test_an_address_that_is_taken_is_said_before_the_work(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            done = scripts.run("delg.serve", images_dir=self.photos, port=port)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, f"^Error: .*`port` must be an address that is free.*port {port}")

    def test_the_address_it_prints_is_answered(self):
        for host in ("127.0.0.2", "::1"):
            config = ServeConfig(images_dir="photos", host=host)
            app = routes.build_app(mock.MagicMock(), config)
            limits = next(each for each in app.user_middleware if each.cls is Limits)
            with self.subTest(host):
                self.assertIn(routes.in_address(host), limits.kwargs["hosts"])

    def test_a_work_folder_that_is_none_is_refused(self):
        done = scripts.run("delg.serve", work_dir=self.folder / "nothing", port=0)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, "^Error: `work_dir` must be one that delg.find_images has made")

    def test_an_index_made_by_stages_is_searched_and_left_as_it_is(self):
        folder = self.folder / "stages"
        os.makedirs(folder / "features")
        paths = {f"trip/wall{seed}.png": str(self.photos / f"trip/wall{seed}.png") for seed in range(4)}
        describer = ImageDescriber(str(self.saved_model), wall_extraction())
        describe_files(describer, paths, str(folder / "features/all.h5"))
        building.build_index(str(folder / "features"), str(folder / "index"))
        config = ServeConfig(index_dir=str(folder / "index"), index_features=str(folder / "features"),
                             images=str(self.photos), saved_model=str(self.saved_model))
        with photographs.opened(config) as found:
            self.assertEqual(found.searched.index.ids, list(paths))
            self.assertEqual(found.searched.paths["trip/wall2.png"], paths["trip/wall2.png"])
            self.assertGreater(found.searched.config.min_inliers, 0)
            for change in (lambda: found.add(b"", 1), lambda: found.remove("trip/wall2.png")):
                with self.assertRaisesRegex(photographs.CannotChange, "folder of photographs"):
                    change()


if __name__ == "__main__":
    unittest.main()
