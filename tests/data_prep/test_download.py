"""The script downloads, survives kill -9 and Ctrl-C, says what to do next, and fails with one line."""

import hashlib
import io
import os
import random
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import unittest

from tests.fixtures import http_server
from tests.fixtures.http_server import Fault

CONTENT = random.Random(1).randbytes(4_000_000)


class DownloadTest(unittest.TestCase):
    def setUp(self):
        self.server = http_server.start(self)
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = os.path.join(directory.name, "gldv2")
        for path in ("metadata/test.csv", "ground_truth/recognition_solution_v2.1.csv",
                     "ground_truth/retrieval_solution_v2.1.csv"):
            self.server.files[f"/{path}"] = b"id\n"
        for part in range(2):
            self.server.files[f"/test/images_{part:03d}.tar"] = CONTENT
            self.server.files[f"/md5sum/test/md5.images_{part:03d}.txt"] = (
                f"{hashlib.md5(CONTENT).hexdigest()}  images_{part:03d}.tar\n".encode())

    def start(self, *flags: str, dataset: str = "gldv2_test") -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, "-m", "data_prep.download", f"--dataset={dataset}",
             f"--base_url={self.server.url}", f"--output_dir={self.directory}", *flags],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        for stream in (process.stdout, process.stderr):
            self.addCleanup(stream.close)
        return process

    def run_script(self, *flags: str, **settings) -> subprocess.CompletedProcess:
        process = self.start(*flags, **settings)
        output, errors = process.communicate(timeout=60)
        return subprocess.CompletedProcess(process.args, process.returncode, output, errors)

    def read(self, path: str) -> bytes:
        with open(os.path.join(self.directory, path), "rb") as file:
            return file.read()

    def stop_halfway(self, how: int) -> subprocess.Popen:
        """Stops the script when the greater part of images_000.tar has come and the server stalls."""
        self.server.faults["/test/images_000.tar"] = [Fault(stall_after=3_000_000)]
        # Tests started in the background of a shell ignore Ctrl-C, and so would the script that they start.
        self.addCleanup(signal.signal, signal.SIGINT,
                        signal.signal(signal.SIGINT, signal.default_int_handler))
        process = self.start("--parts=0")
        part = os.path.join(self.directory, "test", ".images_000.tar.part")
        while not (os.path.exists(part) and os.path.getsize(part) >= 2_500_000):
            self.assertIsNone(process.poll())
            time.sleep(0.01)
        process.send_signal(how)
        return process

    def go_on(self):
        self.assertFalse(os.path.exists(os.path.join(self.directory, "test", "images_000.tar")))
        self.server.requests.clear()
        done = self.run_script("--parts=0")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.read("test/images_000.tar"), CONTENT)
        request, = self.server.gets("/test/images_000.tar")
        self.assertGreaterEqual(int(request.range[len("bytes="):-1]), 2_500_000)
        self.assertEqual(os.listdir(os.path.join(self.directory, "test")), ["images_000.tar"])

    def test_downloads_and_says_what_comes_next(self):
        done = self.run_script("--parts=0-1")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout.splitlines(), [
            f"5 files in {self.directory}: 5 fetched or read, 0 there before",
            "terms of use: https://github.com/cvdfoundation/google-landmark",
            "next: python -m data_prep.build_tfrecords --dataset=gldv2 "
            f"--from_tars='{self.directory}/test/images_*.tar' --part=test "
            f"--test_csv={self.directory}/metadata/test.csv --recognition_solution_csv={self.directory}/"
            "ground_truth/recognition_solution_v2.1.csv --retrieval_solution_csv="
            f"{self.directory}/ground_truth/retrieval_solution_v2.1.csv "
            f"--output_dir={self.directory}/test_shards"])
        self.assertEqual(done.stderr, "")
        self.assertEqual(self.read("test/images_001.tar"), CONTENT)
        self.server.requests.clear()
        self.assertIn("0 fetched or read, 5 there before", self.run_script("--parts=0-1").stdout)
        self.assertEqual(self.server.requests, [])

    def test_goes_on_after_kill_9(self):
        process = self.stop_halfway(signal.SIGKILL)
        self.assertEqual(process.wait(timeout=20), -signal.SIGKILL)
        self.go_on()

    def test_goes_on_after_ctrl_c(self):
        process = self.stop_halfway(signal.SIGINT)
        _, errors = process.communicate(timeout=300)
        self.assertEqual(process.returncode, 130)
        self.assertRegex(errors, r"\AInterrupted; [^\n]*\n\Z")
        self.go_on()

    def test_unpacks_a_small_set(self):
        def archive(*names: str) -> bytes:
            file = io.BytesIO()
            with tarfile.open(fileobj=file, mode="w:gz") as tar:
                for name in names:
                    info = tarfile.TarInfo(name)
                    info.size = 3
                    tar.addfile(info, io.BytesIO(b"jpg"))
            return file.getvalue()

        self.server.files.update({"/gnd_rparis6k.mat": b"mat",
                                  "/paris_1-v1.tgz": archive("paris/louvre/a.jpg"),
                                  "/paris_2-v1.tgz": archive("paris/triomphe/b.jpg")})
        done = self.run_script(dataset="rparis")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual({name: self.read(f"jpg/{name}") for name in ("a.jpg", "b.jpg")},
                         {"a.jpg": b"jpg", "b.jpg": b"jpg"})
        self.assertEqual(done.stdout.splitlines()[-1],
                         f"next: python -m data_prep.build_tfrecords --dataset=revisited --images_dir="
                         f"{self.directory}/jpg --ground_truth={self.directory}/gnd_rparis6k.mat "
                         f"--output_dir={self.directory}/shards")

    def test_dry_run_asks_nobody(self):
        done = self.run_script("--parts=3-4", "--dry_run")
        self.assertEqual(done.stdout.splitlines(), [
            f"{self.server.url}/metadata/test.csv  size unknown",
            f"{self.server.url}/ground_truth/recognition_solution_v2.1.csv  size unknown",
            f"{self.server.url}/ground_truth/retrieval_solution_v2.1.csv  size unknown",
            f"{self.server.url}/test/images_003.tar  about 0.50 GB",
            f"{self.server.url}/test/images_004.tar  about 0.50 GB",
            "5 of 5 files to fetch, about 1.0 GB and 3 files of unknown size"])
        self.assertEqual((self.server.requests, os.path.exists(self.directory)), ([], False))

    def test_fails_with_one_line(self):
        done = self.run_script("--parts=2")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertEqual(done.stderr, f"Error: {self.server.url}/test/images_002.tar must exist and be open "
                                      "to all. Received: HTTP 404 Not Found.\n")


if __name__ == "__main__":
    unittest.main()
