"""Heads of requests that come slowly, or not: asked as a socket asks."""

import socket
import unittest
from unittest import mock

from delg.serving import heads
from tests.fixtures.served import running

_WHOLE = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def _answer_ok(_, __, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


class HeadsInTimeTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.enterClassContext(mock.patch.object(heads, "HEAD_SECONDS", 0.3))
        cls.address = cls.enterClassContext(running(_answer_ok)).rpartition(":")

    def connected(self):
        connection = socket.create_connection(("127.0.0.1", int(self.address[2])), 20)
        self.addCleanup(connection.close)
        return connection

    def test_a_head_that_does_not_end_is_refused_and_the_connection_closed(self):
        for sent in (b"", b"GET / HT", _WHOLE[:-2]):
            with self.subTest(sent):
                connection = self.connected()
                connection.sendall(sent)
                with connection.makefile("rb") as answer:
                    self.assertRegex(answer.read(), b"(?s)^HTTP/1.1 408 .*head of a request must come within")

    def test_so_is_the_head_of_the_next_request(self):
        connection = self.connected()
        connection.sendall(_WHOLE)
        self.assertIn(b" 200 ", connection.recv(1000))
        connection.sendall(_WHOLE[:5])
        self.assertIn(b" 408 ", connection.recv(1000))
        self.assertEqual(connection.recv(1000), b"")

    def test_a_connection_that_rests_between_requests_is_not(self):
        connection = self.connected()
        for _ in range(3):
            connection.sendall(_WHOLE)
            self.assertIn(b" 200 ", connection.recv(1000))
            connection.settimeout(0.2)
            with self.assertRaises(TimeoutError):
                connection.recv(1)
            connection.settimeout(20)


if __name__ == "__main__":
    unittest.main()
