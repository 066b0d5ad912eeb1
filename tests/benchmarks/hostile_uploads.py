"""Bad uploads of every kind, and who sends them badly: what a server on this machine is attacked with."""

from __future__ import annotations

import contextlib
import functools
import http.client
import random
import socket
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

from tests.fixtures import photographs
from tests.fuzz.mutations import mutated

LEFT = 0  # status of a client that does not wait for its answer
_TIMEOUT = 120  # seconds
_PATHS = ("/v1/search", "/v1/searches", "/v1/images", "/v1/search?verify=false")
_BOUNDARY = b"0123456789abcdef"
_HEAD = b'--%b\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n\r\n' % _BOUNDARY
_LARGE = b"\xff\xd8\xff\xe0" + bytes(31 << 20)
_TOO_LARGE = bytes(33 << 20)
_TAIL = b"\r\n--%b--\r\n" % _BOUNDARY


class Upload(NamedTuple):
    """One upload; `send` takes the port of a server on this machine and returns the status of its answer."""

    kind: str
    path: str
    send_to: Callable[[int, str, bytes], int]
    image: bytes

    def send(self, port: int) -> int:
        """Status of the answer, or LEFT."""
        return self.send_to(port, self.path, self.image)


def uploads(good: list[bytes], count: int) -> Iterator[Upload]:
    """Every kind in turn, made from good photographs."""
    source = random.Random(0)
    kinds = [*_FILES, *_SENDERS]
    for number in range(count):
        name, make = kinds[number % len(kinds)]
        path, image = source.choice(_PATHS), source.choice(good)
        if number % len(kinds) < len(_FILES):
            yield Upload(name, path, post, make(image, source))
        else:
            yield Upload(name, path, make, image)


@functools.cache
def _flat_png(height: int, width: int, damaged: bool = False) -> bytes:
    """A PNG file of one colour, grey; damaged: its pixels end early."""
    def chunk(name: bytes, content: bytes) -> bytes:
        checksum = zlib.crc32(name + content)
        return struct.pack(">I4s", len(content), name) + content + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", height, width, 8, 0, 0, 0, 0)
    pixels = zlib.compress(bytes((height - 1 if damaged else height) * (width + 1)), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def _bitmap(size: int) -> bytes:
    """A BMP file whose header promises more pixels than there are."""
    encoded = photographs.encode(photographs.pixels(), "BMP")
    return encoded[:18] + struct.pack("<ii", size, size) + encoded[26:]


def _cut_tiff(_: bytes, source: random.Random) -> bytes:
    return mutated(photographs.encode(photographs.pixels(), "TIFF"), source)[:-200]


def _says(size: int) -> bytes:
    return photographs.with_size(photographs.jpeg(), size, size)


def post(port: int, path: str, image: bytes) -> int:
    """Status of the answer to an image file, sent as a browser sends it."""
    return _sent(port, path, [_HEAD + image + _TAIL])


def _sent(port: int, path: str, parts: list[bytes], length: int | None = None, pause: float = 0.0,
          content_type: bytes = b"multipart/form-data; boundary=" + _BOUNDARY) -> int:
    """Status of the answer to a body in parts; what is not sent is waited for by the server."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT)
    connection.putrequest("POST", path)
    connection.putheader("Content-Type", content_type)
    connection.putheader("Content-Length", str(sum(map(len, parts)) if length is None else length))
    connection.endheaders()
    try:
        for part in parts:
            connection.send(part)
            time.sleep(pause)
            if pause and _has_answered(connection.sock):
                break
    except (BrokenPipeError, ConnectionResetError):
        pass  # it is refused before it is whole
    return _status(connection)


def _has_answered(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        connection.recv(1, socket.MSG_PEEK)
        return True
    except BlockingIOError:
        return False
    finally:
        connection.settimeout(_TIMEOUT)


def _status(connection: http.client.HTTPConnection) -> int:
    try:
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()


def _slow(port: int, path: str, image: bytes) -> int:
    return _sent(port, path, [_HEAD] + [bytes([byte]) for byte in image[:200]], len(image), pause=0.3)


def _stopped(port: int, path: str, image: bytes) -> int:
    return _sent(port, path, [_HEAD + image[:len(image) // 2]], len(image))


def _leaving(port: int, path: str, image: bytes) -> int:
    with socket.create_connection(("127.0.0.1", port), _TIMEOUT) as connection:
        connection.sendall(
            b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=%b\r\n"
            b"Content-Length: %d\r\n\r\n" % (path.encode(), _BOUNDARY, len(image)))
        connection.sendall(_HEAD + image[:len(image) // 2])
    return LEFT


def _slow_head(port: int, path: str, _: bytes) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT)
    connection.connect()
    for byte in b"POST %b HTTP/1.1\r\nHost: localhost\r\nX-A: " % path.encode() + b"a" * 100:
        try:
            connection.send(bytes([byte]))
        except (BrokenPipeError, ConnectionResetError):
            break
        time.sleep(0.3)
        if _has_answered(connection.sock):
            break
    response = http.client.HTTPResponse(connection.sock)
    response.begin()
    connection.close()
    return response.status


def _endless(port: int, path: str, _: bytes) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT)
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        connection.request("POST", path, (bytes(1 << 16) for _ in range(2000)), {
            "Content-Type": b"multipart/form-data; boundary=" + _BOUNDARY}, encode_chunked=True)
    return _status(connection)


def _no_form(port: int, path: str, image: bytes) -> int:
    return _sent(port, path, [image], content_type=b"image/jpeg")


def _no_boundary(port: int, path: str, image: bytes) -> int:
    return _sent(port, path, [_HEAD + image + _TAIL], content_type=b"multipart/form-data")


def _many_fields(port: int, path: str, _: bytes) -> int:
    field = b'--%b\r\nContent-Disposition: form-data; name="f%d"\r\n\r\nx\r\n'
    return _sent(port, path, [b"".join(field % (_BOUNDARY, number) for number in range(5000)) + _TAIL])


def _long_field(port: int, path: str, _: bytes) -> int:
    return _sent(port, path, [b'--%b\r\nContent-Disposition: form-data; name="box"\r\n\r\n' % _BOUNDARY +
                              b"1" * (8 << 20) + _TAIL])


def _large_by_its_word(port: int, path: str, _: bytes) -> int:
    return _sent(port, path, [_HEAD], 1 << 40)


def _no_http(port: int, _: str, image: bytes) -> int:
    with socket.create_connection(("127.0.0.1", port), _TIMEOUT) as connection:
        connection.sendall(image[:5000] + b"\r\n\r\n")
        response = http.client.HTTPResponse(connection)
        response.begin()
        return response.status


_FILES: list[tuple[str, Callable[[bytes, random.Random], bytes]]] = [
    ("text", lambda _, source: b"no image " * source.randrange(1, 5000)),
    ("nothing", lambda *_: b""),
    ("page with a script", lambda *_: b"<!doctype html><script>alert(1)</script>" * 50),
    ("drawing of SVG", lambda *_: b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'),
    ("archive", lambda _, source: b"PK\3\4" + source.randbytes(20_000)),
    ("program", lambda _, source: b"\x7fELF" + source.randbytes(20_000)),
    ("noise behind the mark of JPEG", lambda _, source: b"\xff\xd8\xff\xe0" + source.randbytes(20_000)),
    ("polyglot of page and JPEG", lambda image, _: image + b"<script>alert(1)</script>"),
    ("polyglot of JPEG and archive", lambda image, _: image + b"PK\3\4" + bytes(999)),
    ("half a JPEG", lambda image, _: image[:len(image) // 2]),
    ("JPEG that says 60,000 x 60,000", lambda *_: _says(60_000)),
    ("JPEG that says 7,900 x 7,900", lambda *_: _says(7_900)),
    ("PNG of 20,000 x 20,000 in few bytes", lambda *_: _flat_png(20_000, 20_000)),
    ("PNG of 7,900 x 7,900, damaged at its end", lambda *_: _flat_png(7_900, 7_900, damaged=True)),
    ("plain PNG of 7,900 x 7,900", lambda *_: _flat_png(7_900, 7_900)),
    ("half a PNG", lambda *_: photographs.encode(photographs.pixels(480, 640), "PNG")[:5_000]),
    ("damaged TIFF", _cut_tiff),
    ("BMP that says 7,900 x 7,900", lambda *_: _bitmap(7_900)),
    ("31 MiB of nothing", lambda *_: _LARGE),
    ("33 MiB", lambda *_: _TOO_LARGE),
    ("damaged photograph", mutated),
]

_SENDERS: list[tuple[str, Callable[[int, str, bytes], int]]] = [
    ("a byte now and then", _slow), ("stops in the middle", _stopped), ("leaves in the middle", _leaving),
    ("a byte of the head now and then", _slow_head), ("a body without end", _endless), ("no form", _no_form),
    ("no boundary", _no_boundary), ("5,000 fields", _many_fields), ("field of 8 MiB", _long_field),
    ("a terabyte, by its word", _large_by_its_word), ("no HTTP", _no_http)]
