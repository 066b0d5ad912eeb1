"""A real HTTP server on localhost that misbehaves on request."""

from __future__ import annotations

import dataclasses
import hashlib
import http.server
import socket
import struct
import sys
import threading
import unittest


@dataclasses.dataclass(frozen=True)
class Fault:
    """What goes wrong with one request; a file's faults are used up in order, then all goes well."""

    status: int = 0  # answered in place of the file
    retry_after: str = ""
    cut_after: int = -1  # bytes of the body, then the connection is reset
    end_after: int = -1  # bytes of the body, then the connection is closed as if all were well
    stall_after: int = -1  # bytes of the body, then nothing until the server stops
    content: bytes | None = None  # sent in place of the file's
    ignores_range: bool = False
    ignores_if_range: bool = False
    wrong_range: bool = False  # answers with one byte too late
    encoding: str = ""  # claimed in the headers


@dataclasses.dataclass(frozen=True)
class Request:
    method: str
    path: str
    range: str
    if_range: str
    encodings: str


class FaultyServer:
    """Serves `files`, bytes by path such as /a.bin, with the `faults` of each path."""

    def __init__(self):
        self.files: dict[str, bytes] = {}
        self.faults: dict[str, list[Fault]] = {}
        self.etags = True
        self.requests: list[Request] = []
        self.most_at_once = 0  # GET requests
        self.at_once = 0
        self.meeting: threading.Barrier | None = None  # that GET requests wait at
        self.stopping = threading.Event()
        self._server = _QuietServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def gets(self, path: str) -> list[Request]:
        return [request for request in self.requests if (request.method, request.path) == ("GET", path)]

    def stop(self) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def start(test: unittest.TestCase) -> FaultyServer:
    """A server that lives as long as the test."""
    server = FaultyServer()
    test.addCleanup(server.stop)
    return server


class _QuietServer(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):  # those are the faults themselves
            super().handle_error(request, client_address)


def _handler(server: FaultyServer) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self):
            self._note()
            content = server.files.get(self.path)
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()

        def do_GET(self):
            self._note()
            server.at_once += 1
            server.most_at_once = max(server.most_at_once, server.at_once)
            try:
                if server.meeting:
                    server.meeting.wait(timeout=20)
                faults = server.faults.get(self.path)
                self._answer(faults.pop(0) if faults else Fault())
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True
            finally:
                server.at_once -= 1

        def _answer(self, fault: Fault):
            content = server.files.get(self.path) if fault.content is None else fault.content
            if fault.status or content is None:
                self.send_response(fault.status or 404)
                if fault.retry_after:
                    self.send_header("Retry-After", fault.retry_after)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            etag = f'"{hashlib.md5(content).hexdigest()}"'
            start = 0
            unchanged = fault.ignores_if_range or self.headers.get("If-Range", etag) == etag
            if "Range" in self.headers and unchanged and not fault.ignores_range:
                start = int(self.headers["Range"][len("bytes="):].rstrip("-")) + fault.wrong_range
                if start >= len(content):
                    self.send_response(416)
                    self.send_header("Content-Range", f"bytes */{len(content)}")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            else:
                self.send_response(200)
            if server.etags:
                self.send_header("ETag", etag)
            if fault.encoding:
                self.send_header("Content-Encoding", fault.encoding)
            body = content[start:]
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self._send_body(body, fault)

        def _send_body(self, body: bytes, fault: Fault):
            sent = max(fault.cut_after, fault.end_after, fault.stall_after)
            self.wfile.write(body if sent < 0 else body[:sent])
            self.wfile.flush()
            if fault.stall_after >= 0:
                server.stopping.wait(60)
            if fault.cut_after >= 0:  # closed with a reset, after what was sent has left
                threading.Event().wait(0.05)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = sent >= 0
            if sent >= 0:
                self.connection.shutdown(socket.SHUT_RDWR) if fault.cut_after < 0 else self.connection.close()

        def _note(self):
            server.requests.append(Request(self.command, self.path, self.headers.get("Range", ""),
                                           self.headers.get("If-Range", ""),
                                           self.headers.get("Accept-Encoding", "")))

        def log_message(self, *_):
            pass

    return Handler
