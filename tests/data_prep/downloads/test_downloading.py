"""Many files come in parallel, finished ones stay, and what is known of them is compared."""

import hashlib
import io
import json
import os
import random
import shutil
import tarfile
import tempfile
import threading
import time
import unittest
from unittest import mock

from data_prep.downloads import downloading
from data_prep.downloads.downloading import DownloadConfig
from data_prep.downloads.fetching import Patience
from data_prep.sources.public_set import PublicFile
from tests.fixtures import http_server
from tests.fixtures.http_server import Fault

HASTY = Patience(num_attempts=3, first_wait=0.01, longest_wait=0.02, timeout=0.3)
CONTENT = random.Random(1).randbytes(200_000)


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


class DownloadingTest(unittest.TestCase):
    def setUp(self):
        self.server = http_server.start(self)
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = os.path.join(directory.name, "new", "set")
        self.files = []

    def serve(self, path: str, content: bytes = CONTENT, **known) -> str:
        self.server.files[f"/{path}"] = content
        self.files.append(PublicFile(self.server.url, path, **known))
        return os.path.join(self.directory, path)

    def download(self, warns=False, unpack_dir="", **settings):
        config = DownloadConfig(self.directory, patience=HASTY, **settings)
        with self.assertLogs("absl", "WARNING") if warns else self.assertNoWarnings():
            downloading.download(self.files, config, unpack_dir)

    def assertNoWarnings(self):
        return mock.patch.object(downloading.logging, "warning", side_effect=AssertionError)

    def read(self, path: str) -> bytes:
        with open(os.path.join(self.directory, path), "rb") as file:
            return file.read()

    def fails(self, message: str, error=OSError, **settings):
        with self.assertLogs("absl", "WARNING"), self.assertRaisesRegex(error, message):
            downloading.download(self.files, DownloadConfig(self.directory, patience=HASTY, **settings))


class DownloadTest(DownloadingTest):
    def test_downloads_and_records(self):
        self.serve("d/a.bin", md5=md5(CONTENT))
        self.serve("b.txt", b"b")
        self.download()
        self.assertEqual((self.read("d/a.bin"), self.read("b.txt")), (CONTENT, b"b"))
        entries = json.loads(self.read(downloading.CHECKSUMS_NAME))
        self.assertEqual(entries["b.txt"], {
            "size": 1, "md5": md5(b"b"), "sha256": hashlib.sha256(b"b").hexdigest(),
            "mtime_ns": os.stat(os.path.join(self.directory, "b.txt")).st_mtime_ns,
            "url": f"{self.server.url}/b.txt"})

    def test_finished_files_are_neither_fetched_nor_read_again(self):
        self.serve("a.bin")
        self.download()
        self.server.requests.clear()
        with mock.patch.object(downloading.partial_file, "hash_file") as hash_file:
            self.download()
        self.assertEqual((self.server.requests, hash_file.call_count), ([], 0))
        self.assertEqual(downloading.list_missing(self.files, DownloadConfig(self.directory)), [])

    def test_a_touched_file_is_read_and_kept(self):
        path = self.serve("a.bin")
        self.download()
        os.utime(path, (1, 1))
        self.assertEqual(downloading.list_missing(self.files, DownloadConfig(self.directory)), self.files)
        self.server.requests.clear()
        self.download()
        self.assertEqual(self.server.gets("/a.bin"), [])
        self.assertEqual(downloading.list_missing(self.files, DownloadConfig(self.directory)), [])

    def test_verify_mends_what_was_damaged_on_the_disk(self):
        path = self.serve("a.bin", md5_path="a.md5")
        self.server.files["/a.md5"] = md5(CONTENT).encode() + b"  a.bin\n"
        self.download()
        status = os.stat(path)
        with open(path, "rb+") as file:
            file.write(b"damaged")
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        self.download()
        self.assertEqual(self.read("a.bin")[:7], b"damaged")
        self.download(verify=True, warns=True)
        self.assertEqual(self.read("a.bin"), CONTENT)

    def test_a_file_that_the_user_brought_is_kept_if_it_is_right(self):
        os.makedirs(self.directory)
        for name, known in (("a.bin", {"md5": md5(CONTENT)}), ("b.bin", {})):
            with open(self.serve(name, **known), "wb") as file:
                file.write(CONTENT)
        with open(self.serve("short.bin"), "wb") as file:
            file.write(CONTENT[:-1])
        self.download(warns=True)
        self.assertEqual([len(self.server.gets(f"/{name}")) for name in ("a.bin", "b.bin", "short.bin")],
                         [0, 0, 1])
        self.assertEqual(self.read("short.bin"), CONTENT)

    def test_files_come_in_parallel(self):
        for name in "abcd":
            self.serve(name)
        self.server.meeting = threading.Barrier(2)  # no answer before two requests are there
        self.download(num_connections=2)
        self.assertEqual(self.server.most_at_once, 2)

    def test_a_mirror_serves_the_same_paths(self):
        self.server.files["/mirror/d/a.bin"] = CONTENT
        self.server.files["/mirror/md5/a.txt"] = md5(CONTENT).encode()
        self.files = [PublicFile("https://published.invalid", "d/a.bin", md5_path="md5/a.txt")]
        self.download(base_url=f"{self.server.url}/mirror/")
        self.assertEqual(self.read("d/a.bin"), CONTENT)

    def test_unpacks(self):
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            tar.addfile(tarfile.TarInfo("empty.jpg"))
        self.serve("a.tar", archive.getvalue())
        self.serve("table.csv", b"id\n")
        for _ in range(2):
            self.download(unpack_dir="images")
            self.assertEqual(set(os.listdir(os.path.join(self.directory, "images"))),
                             {"empty.jpg", ".unpacked.json"})

    def test_after_an_interrupt_the_part_is_gone_on_with(self):
        path = self.serve("a.bin")
        part = os.path.join(self.directory, ".a.bin.part")
        self.server.faults["/a.bin"] = [Fault(stall_after=150_000)]

        def interrupt(_):
            if os.path.exists(part) and os.path.getsize(part) >= 100_000:
                raise KeyboardInterrupt
            sleep(0.01)

        sleep = time.sleep
        with mock.patch.object(downloading.time, "sleep", interrupt), self.assertRaises(KeyboardInterrupt):
            downloading.download(self.files, DownloadConfig(self.directory, patience=Patience(timeout=0.3)))
        self.assertFalse(os.path.exists(path))
        self.server.requests.clear()
        self.download()
        self.assertEqual(self.read("a.bin"), CONTENT)
        self.assertRegex(self.server.gets("/a.bin")[0].range, "bytes=[1-9]")


class FailureTest(DownloadingTest):
    def test_published_md5_files_are_compared(self):
        path = self.serve("a.tar", md5_path="a.md5")
        self.server.files["/a.md5"] = b"0" * 32 + b"  a.tar\n"
        self.fails(f"{path} must have md5 {'0' * 32}. Received: {md5(CONTENT)} from .*/a.tar, twice.")
        self.assertEqual(len(self.server.gets("/a.tar")), 2)

    def test_an_md5_file_that_is_none(self):
        self.serve("a.tar", md5_path="a.md5")
        self.server.files["/a.md5"] = b"<html>busy</html>"
        self.fails("/a.md5 must begin with an MD5 of 32 digits. Received: '<html>busy</html>'")

    def test_a_file_without_published_checksum_that_changed(self):
        path = self.serve("a.csv")
        self.download()
        os.remove(path)
        self.server.files["/a.csv"] = b"changed"
        self.fails("a.csv must have sha256 .* twice. If there is a new version, delete the entry from ch")

    def test_one_bad_file_does_not_stop_the_others(self):
        self.serve("a.bin", md5="0" * 32)
        self.serve("b.bin")
        self.fails("a.bin must have md5", num_connections=1)
        self.assertEqual(self.read("b.bin"), CONTENT)

    def test_many_bad_files_stop_the_download(self):
        for number in range(12):
            self.serve(f"{number}.bin", md5="0" * 32)
        self.fails("0.bin must have md5 .* And 5 more files failed.", num_connections=1)
        self.assertEqual([bool(self.server.gets(f"/{number}.bin")) for number in range(12)],
                         [True] * 6 + [False] * 6)

    def test_an_absent_file_is_known_before_anything_is_fetched(self):
        self.serve("a.bin")
        self.files.append(PublicFile(self.server.url, "absent.bin"))
        with self.assertRaisesRegex(OSError, f"{self.server.url}/absent.bin must exist and be open to all."):
            self.download()
        self.assertEqual(self.server.gets("/a.bin"), [])

    def test_a_small_disk(self):
        self.serve("a.tar", size=2_000_000_000)
        self.serve("b.bin")  # its size comes from the server
        usage = shutil.disk_usage(os.path.dirname(__file__))._replace(free=1_000_000_000)
        for unpack_dir, needed in (("", "2.07 GB free for 2 files"), ("d", "4.07 GB free for 2 files and")):
            with mock.patch.object(shutil, "disk_usage", return_value=usage), self.assertRaisesRegex(
                    OSError, f"The disk of {self.directory} must have {needed}.* Received: 1.00 GB free."):
                self.download(unpack_dir=unpack_dir)
        self.assertFalse(any(request.method == "GET" for request in self.server.requests))

    def test_a_part_counts_as_room(self):
        self.serve("a.bin", size=200_000)
        os.makedirs(self.directory)
        with open(os.path.join(self.directory, ".a.bin.part"), "wb") as file:
            file.write(CONTENT[:190_000])
        with open(os.path.join(self.directory, ".a.bin.part.json"), "w") as file:
            json.dump({"validator": f'"{md5(CONTENT)}"', "total": len(CONTENT)}, file)
        usage = shutil.disk_usage(self.directory)._replace(free=(64 << 20) + 20_000)
        with mock.patch.object(shutil, "disk_usage", return_value=usage):
            self.download()
        self.assertEqual(self.server.gets("/a.bin")[0].range, "bytes=190000-")

    def test_a_full_disk_is_no_fault_of_the_server(self):
        self.serve("a.bin")
        with mock.patch.object(downloading.partial_file.PartialFile, "append",
                               side_effect=OSError(28, "No space left on device")), \
                self.assertRaisesRegex(OSError, "No space left on device"):
            self.download()
        self.assertEqual(len(self.server.gets("/a.bin")), 1)

    def test_two_downloads_in_one_folder(self):
        self.serve("a.bin")
        with downloading._only_download(self._made()), self.assertRaisesRegex(
                OSError, f"must be used by one download at a time. Received: {self.directory}, where"):
            self.download()

    def _made(self) -> str:
        os.makedirs(self.directory)
        return self.directory

    def test_a_damaged_record(self):
        self._made()
        for text in ("{", "[1]", '{"a": 1}'):
            with open(os.path.join(self.directory, downloading.CHECKSUMS_NAME), "w") as file:
                file.write(text)
            with self.assertRaisesRegex(ValueError, "checksums.json must be as data_prep.download writes"):
                self.download()

    def test_a_file_larger_than_wanted(self):
        self.serve("a.bin")
        self.fails("a.bin must have at most 100000 bytes .`max_file_gb`., as", max_file_gb=1e-4)

    def test_settings(self):
        with self.assertRaisesRegex(ValueError, r"`num_connections` must be in \[1, 64\]. Rec.*=0."):
            DownloadConfig("d", num_connections=0)
        with self.assertRaisesRegex(ValueError, "`base_url` must begin with http:// or https://. Rec.*=ftp"):
            DownloadConfig("d", base_url="ftp://a")


if __name__ == "__main__":
    unittest.main()
