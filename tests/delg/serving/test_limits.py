"""What is refused before it is looked at: called as a server calls it."""

import asyncio
import unittest
from unittest import mock

from starlette.exceptions import HTTPException

from delg.serving import limits
from delg.serving.limits import Limits


class LimitsTest(unittest.TestCase):
    def answer(self, headers, receive=None, method="POST", max_seconds=60.0):
        """Status and headers of the answer; the application reads the body and answers 200."""
        sent = []

        async def application(_, receive, send):
            while (await receive()).get("more_body"):
                pass
            await send({"type": "http.response.start", "status": 200, "headers": []})

        async def send(message):
            sent.append(message)

        async def nothing():
            return {"type": "http.request", "body": b"", "more_body": False}

        scope = {"type": "http", "method": method, "path": "/", "headers": [
            (name.encode(), value.encode()) for name, value in headers.items()]}
        bounded = Limits(application, 1000, max_seconds, frozenset({"localhost", "[::1]"}))
        asyncio.run(bounded(scope, receive or nothing, send))
        return sent[0]["status"], dict(sent[0]["headers"])

    def test_names_of_this_machine_alone_are_answered(self):
        for host, status in (("localhost", 200), ("LOCALHOST:8000", 200), ("[::1]:8000", 200), ("[::1]", 200),
                             ("evil.example", 421), ("localhost.evil.example", 421), ("", 421)):
            with self.subTest(host):
                self.assertEqual(self.answer({"host": host})[0], status)

    def test_pages_of_other_sites_may_not_send(self):
        for method, origin, status in (
                ("POST", "http://localhost:80", 200), ("POST", "http://localhost:81", 403),
                ("DELETE", "https://evil.example", 403), ("POST", "null", 403),
                ("GET", "https://evil.example", 200)):
            with self.subTest(method=method, origin=origin):
                self.assertEqual(self.answer({"host": "localhost:80", "origin": origin}, method=method)[0],
                                 status)

    def test_refusals_have_the_headers_of_safety_too(self):
        self.assertIn(b"content-security-policy", self.answer({"host": "evil.example"})[1])

    def test_a_length_that_is_too_large_is_refused_at_once(self):
        self.assertEqual(self.answer({"host": "localhost", "content-length": "1001"})[0], 413)

    def test_a_body_that_is_too_large_or_too_slow_ends(self):
        async def too_much():
            return {"type": "http.request", "body": bytes(600), "more_body": True}

        async def too_slow():
            await asyncio.sleep(5)

        for receive, status in ((too_much, 413), (too_slow, 408)):
            with self.subTest(status), self.assertRaises(HTTPException) as caught:
                self.answer({"host": "localhost"}, receive, max_seconds=0.02)
            self.assertEqual(caught.exception.status_code, status)

    def test_a_body_that_all_but_stops_ends_and_one_that_goes_on_does_not(self):
        def parts(num_bytes, count):
            left = iter(range(count - 1, -1, -1))

            async def part():
                await asyncio.sleep(0.02)
                return {"type": "http.request", "body": bytes(num_bytes), "more_body": next(left) > 0}

            return part

        with mock.patch.multiple(limits, _PART_SECONDS=0.1, _PART_BYTES=100):
            self.assertEqual(self.answer({"host": "localhost"}, parts(100, 10))[0], 200)
            with self.assertRaisesRegex(HTTPException, "within 60 seconds, and 0 KiB of it in each 0.1"):
                self.answer({"host": "localhost"}, parts(1, 1000))


if __name__ == "__main__":
    unittest.main()
