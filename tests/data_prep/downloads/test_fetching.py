"""A file comes whole and checked, whatever the server does; a cut is mended from where it happened."""

import hashlib
import os
import random
import shutil
import tempfile
import threading
import time
import unittest
from unittest import mock

from data_prep.downloads import fetching
from data_prep.downloads.fetching import Expected, Fetcher, FileFailed, Patience, Stopped
from tests.fixtures import http_server
from tests.fixtures.http_server import Fault

CONTENT = random.Random(1).randbytes(300_000)
OTHER = random.Random(2).randbytes(300_000)
MD5 = hashlib.md5(CONTENT).hexdigest()
HASTY = Patience(num_attempts=3, first_wait=0.01, longest_wait=0.02, timeout=0.3)


class FetchingTest(unittest.TestCase):
    def setUp(self):
        self.server = http_server.start(self)
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name
        self.path = os.path.join(self.directory, "a.bin")
        self.server.files["/a.bin"] = CONTENT
        self.url = f"{self.server.url}/a.bin"
        self.ticks = []
        self.stop = threading.Event()
        self.fetcher = Fetcher(HASTY, self.stop, self.ticks.append)

    def faults(self, *faults: Fault):
        self.server.faults["/a.bin"] = list(faults)

    def ranges(self):
        return [request.range for request in self.server.gets("/a.bin")]

    def fetch(self, **expected):
        with self.assertLogs("absl", "WARNING") if expected.pop("warns", True) else mock.MagicMock():
            found = self.fetcher.fetch(self.url, self.path, Expected(**expected))
        with open(self.path, "rb") as file:
            self.assertEqual(file.read(), CONTENT)
        self.assertEqual(found, {"size": len(CONTENT), "md5": MD5,
                                 "sha256": hashlib.sha256(CONTENT).hexdigest()})
        self.assertEqual(os.listdir(self.directory), ["a.bin"])
        self.assertEqual(sum(self.ticks), len(CONTENT))

    def leave_part(self, content: bytes = CONTENT):
        """What a killed process leaves."""
        self.faults(Fault(cut_after=100_000), *[Fault(status=503)] * HASTY.num_attempts)
        self.server.files["/a.bin"] = content
        with self.assertLogs("absl", "WARNING"), self.assertRaises(FileFailed):
            self.fetcher.fetch(self.url, self.path, Expected())
        self.faults()
        self.server.requests.clear()
        self.ticks.clear()
        size = os.path.getsize(os.path.join(self.directory, ".a.bin.part"))
        self.assertGreater(size, 0)
        return size


class FetchTest(FetchingTest):
    def test_fetches(self):
        self.fetch(warns=False, size=len(CONTENT), md5=MD5)
        self.assertEqual(self.ranges(), [""])
        self.assertEqual(self.server.requests[0].encodings, "identity")

    def test_an_encoded_body_is_refused(self):
        self.faults(Fault(encoding="gzip"))
        with self.assertRaisesRegex(OSError, f"{self.url} must come as it is. Rec.*-Encoding gzip"):
            self.fetcher.fetch(self.url, self.path, Expected())

    def test_an_empty_file(self):
        self.server.files["/a.bin"] = b""
        found = self.fetcher.fetch(self.url, self.path, Expected())
        self.assertEqual((found["size"], os.path.getsize(self.path)), (0, 0))

    def test_goes_on_after_cuts(self):
        self.faults(Fault(cut_after=150_000), Fault(cut_after=100_000))
        self.fetch(md5=MD5)
        first, *others = self.server.gets("/a.bin")
        self.assertEqual((first.range, len(others)), ("", 2))
        starts = [int(request.range[6:-1]) for request in others]
        self.assertGreater(starts[0], 150_000 - (1 << 16))
        self.assertGreater(starts[1], starts[0])
        self.assertTrue(all(request.if_range == f'"{MD5}"' for request in others))

    def test_more_cuts_than_attempts_are_fine_while_bytes_come(self):
        self.faults(*[Fault(cut_after=70_000)] * 4)
        self.fetch(md5=MD5)
        self.assertGreater(len(self.ranges()), HASTY.num_attempts)

    def test_a_body_that_ends_too_soon(self):
        self.faults(Fault(end_after=150_000))
        self.fetch()
        self.assertEqual(len(self.ranges()), 2)
        self.assertTrue(self.ranges()[1])

    def test_a_stalled_connection(self):
        self.faults(Fault(stall_after=150_000))
        self.fetch()
        self.assertEqual(len(self.ranges()), 2)
        self.assertTrue(self.ranges()[1])

    def test_a_server_that_ignores_ranges_starts_the_file_anew(self):
        self.faults(Fault(cut_after=150_000), Fault(ignores_range=True))
        self.fetch(md5=MD5)
        self.assertEqual(len(self.ranges()), 2)

    def test_a_server_that_ignores_ranges_and_cuts_ends(self):
        self.faults(*[Fault(cut_after=100_000, ignores_range=True)] * 20)
        with self.assertLogs("absl", "WARNING"), \
                self.assertRaisesRegex(FileFailed, "a.bin must be had within 3 attempts. Received: "):
            self.fetcher.fetch(self.url, self.path, Expected())

    def test_a_part_of_an_earlier_process_is_gone_on_with(self):
        size = self.leave_part()
        self.fetch(warns=False, md5=MD5)
        self.assertEqual(self.ranges(), [f"bytes={size}-"])

    def test_a_file_that_changed_starts_anew(self):
        self.leave_part(OTHER)
        self.server.files["/a.bin"] = CONTENT
        self.fetch(warns=False, md5=MD5)
        self.assertEqual(len(self.ranges()), 1)

    def test_a_file_that_changed_starts_anew_where_the_server_does_not_look_at_if_range(self):
        self.leave_part(OTHER)
        self.server.files["/a.bin"] = CONTENT
        self.faults(Fault(ignores_if_range=True))
        self.fetch()
        self.assertEqual(self.ranges()[1:], [""])

    def test_an_answer_with_another_range_starts_the_file_anew(self):
        self.leave_part()
        self.faults(Fault(wrong_range=True))
        self.fetch()
        self.assertEqual(self.ranges()[1:], [""])

    def test_a_file_that_changed_size_where_there_are_no_etags_starts_anew(self):
        self.server.etags = False
        self.leave_part(OTHER + b"more")
        self.server.files["/a.bin"] = CONTENT
        self.fetch(md5=MD5)
        self.assertTrue(self.ranges()[0])
        self.assertEqual(self.ranges()[1:], [""])

    def test_a_whole_part_needs_no_request(self):
        with mock.patch.object(os, "replace", side_effect=KeyboardInterrupt), \
                self.assertRaises(KeyboardInterrupt):
            self.fetcher.fetch(self.url, self.path, Expected())
        self.fetcher.fetch(self.url, self.path, Expected())  # its note was not written: anew
        os.rename(self.path, os.path.join(self.directory, ".a.bin.part"))
        with open(os.path.join(self.directory, ".a.bin.part.json"), "w") as file:
            file.write(f'{{"url": "{self.url}", "validator": null, "total": {len(CONTENT)}}}')
        self.server.requests.clear()
        self.ticks.clear()
        self.fetch(warns=False)
        self.assertEqual(self.server.requests, [])

    def test_a_part_that_is_longer_than_the_file_starts_anew(self):
        self.leave_part()
        with open(os.path.join(self.directory, ".a.bin.part"), "ab") as file:
            file.write(bytes(400_000))
        self.fetch(md5=MD5)
        self.assertEqual(self.ranges()[-1], "")


class UnboundedTest(FetchingTest):
    """What would take for ever, or fill the disk, ends with a sentence."""

    def fails(self, message: str, *faults: Fault, **options):
        self.faults(*faults)
        with self.assertLogs("absl", "WARNING") if len(faults) > 1 else mock.MagicMock(), \
                self.assertRaisesRegex(OSError, message):
            self.fetcher.fetch(self.url, self.path, Expected(), **options)

    def test_a_body_without_a_length_ends_at_the_largest_size(self):
        self.fails(r"a.bin must have at most 1000000 bytes \(`max_file_gb`\), as no size of it is published. "
                   "Received: more than 1.*, without an end.", Fault(endless=True), max_bytes=1_000_000)
        self.assertEqual((os.listdir(self.directory), sum(self.ticks)), ([], 0))

    def test_a_length_above_the_largest_size_is_refused_before_the_bytes_come(self):
        self.fails("at most 299999 bytes .* Received: 300000 bytes", max_bytes=299_999)
        self.assertEqual((os.listdir(self.directory), set(self.ticks)), ([], {0}))

    def test_a_published_size_may_be_larger(self):
        self.fetch(warns=False, size=len(CONTENT))

    def test_the_disk_keeps_room_to_spare(self):
        free = (64 << 20) + 500_000
        usage = shutil.disk_usage(self.directory)
        with mock.patch.object(shutil, "disk_usage", lambda _: usage._replace(free=free - sum(self.ticks))):
            self.fails(f"disk of {self.directory} must have 0.07 GB free for more of {self.url}. Received: ",
                       Fault(endless=True))
        self.assertLess(abs(sum(self.ticks) - 500_000), 100_000)

    def test_a_body_of_one_byte_at_a_time(self):
        self.fails(r"within 3 attempts. Received: \d+ bytes in 0.\d+ s, fewer than 1000 a second.",
                   *[Fault(drips="body")] * 20)

    def test_headers_of_one_byte_at_a_time(self):
        self.fails("within 3 attempts. Received: no whole headers in 0.6 s.", *[Fault(drips="head")] * 20)

    def test_one_byte_each_connection(self):
        self.fails("within 3 attempts. Received: ", *[Fault(cut_after=1)] * 20)
        self.assertEqual(len(self.ranges()), HASTY.num_attempts)

    def test_a_text_of_one_byte_at_a_time(self):
        self.faults(*[Fault(drips="body")] * 20)
        with self.assertLogs("absl", "WARNING"), self.assertRaisesRegex(FileFailed, "fewer than 1000 a se"):
            self.fetcher.read_text(self.url)

    def test_a_long_wait_that_the_server_asks_for(self):
        self.fails(f"{self.url} must be had without a wait above 600 s. Received: HTTP 503 Service "
                   "Unavailable, Retry-After: 86400; run this again then.", Fault(503, "86400"))
        self.assertEqual(len(self.ranges()), 1)

    def test_headers_that_hold_no_number(self):
        self.faults(Fault(503, "9" * 5000), Fault(503, "Fri, 31 Dec 999999 23:59:59 GMT"))
        self.fetch()


class WrongBytesTest(FetchingTest):
    def test_are_fetched_once_more_from_the_start(self):
        self.faults(Fault(content=OTHER))
        self.fetch(md5=MD5)
        self.assertEqual(self.ranges(), ["", ""])

    def test_twice_end_with_expected_and_received(self):
        self.server.files["/a.bin"] = OTHER
        found = hashlib.md5(OTHER).hexdigest()
        with self.assertLogs("absl", "WARNING"), self.assertRaisesRegex(
                FileFailed, f"a.bin must have md5 {MD5}. Received: {found} from {self.url}, twice."):
            self.fetcher.fetch(self.url, self.path, Expected(md5=MD5))
        self.assertEqual((len(self.ranges()), os.listdir(self.directory)), (2, []))

    def test_a_damaged_part_is_thrown_away(self):
        size = self.leave_part()
        with open(os.path.join(self.directory, ".a.bin.part"), "rb+") as file:
            file.write(b"damaged")
        self.fetch(md5=MD5)
        self.assertEqual(self.ranges(), [f"bytes={size}-", ""])

    def test_another_length_is_refused_before_the_bytes_come(self):
        with self.assertLogs("absl", "WARNING"), self.assertRaisesRegex(
                FileFailed, "a.bin must have size 5. Received: 300000 from"):
            self.fetcher.fetch(self.url, self.path, Expected(size=5))
        self.assertEqual(sum(self.ticks), 0)


class StatusTest(FetchingTest):
    def test_503_is_tried_again(self):
        self.faults(Fault(status=503), Fault(status=500))
        self.fetch()
        self.assertEqual(len(self.ranges()), 3)

    def test_retry_after_is_honoured(self):
        self.faults(Fault(status=503, retry_after="7"), Fault(status=429, retry_after="nonsense"))
        waits = []
        with mock.patch.object(self.stop, "wait", waits.append):
            self.fetch()
        self.assertEqual(waits[0], 7)
        self.assertLess(waits[1], 1)

    def test_back_off_doubles_up_to_its_limit(self):
        self.faults(*[Fault(status=503)] * 5)
        waits = []
        patience = Patience(num_attempts=9, first_wait=1, longest_wait=4)
        fetcher = Fetcher(patience, self.stop, self.ticks.append)
        with mock.patch.object(self.stop, "wait", waits.append), self.assertLogs("absl", "WARNING"), \
                mock.patch.object(fetching.random, "uniform", lambda low, high: high):
            fetcher.fetch(self.url, self.path, Expected())
        self.assertEqual(waits, [1, 2, 4, 4, 4])

    def test_attempts_end(self):
        self.faults(*[Fault(status=503)] * 5)
        with self.assertLogs("absl", "WARNING"), self.assertRaisesRegex(
                FileFailed, f"{self.url} must be had within 3 attempts. Received: HTTP 503 "):
            self.fetcher.fetch(self.url, self.path, Expected())
        self.assertEqual(len(self.ranges()), 3)

    def test_404_ends_at_once(self):
        url = f"{self.server.url}/absent.bin"
        with self.assertRaisesRegex(OSError, f"{url} must exist and be open to all. Received: HTTP 404 Not"):
            self.fetcher.fetch(url, self.path, Expected())
        self.assertEqual(len(self.server.requests), 1)

    def test_no_server(self):
        with self.assertLogs("absl", "WARNING"), self.assertRaisesRegex(FileFailed, "within 3 attempts. Rec"):
            self.fetcher.fetch("http://127.0.0.1:9/a", self.path, Expected())

    def test_no_address(self):
        with self.assertRaisesRegex(OSError, "http://:x must be an address that can be fetched. Received: "):
            self.fetcher.fetch("http://:x", self.path, Expected())

    def test_size_of(self):
        self.assertEqual(self.fetcher.size_of(self.url), len(CONTENT))
        with self.assertRaisesRegex(OSError, "absent must exist"):
            self.fetcher.size_of(f"{self.server.url}/absent")

    def test_stops_when_told(self):
        self.faults(Fault(status=503, retry_after="500"))
        timer = threading.Timer(0.1, self.stop.set)
        timer.start()
        began = time.monotonic()
        with self.assertLogs("absl", "WARNING"), self.assertRaises(Stopped):
            self.fetcher.fetch(self.url, self.path, Expected())
        self.assertLess(time.monotonic() - began, 250)


if __name__ == "__main__":
    unittest.main()
