"""What a request may not do, before anything looks into it: come from elsewhere, be too large, take too long.

ASGI middleware: https://asgi.readthedocs.io/en/latest/specs/www.html.
"""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_CHANGING = {"POST", "PUT", "PATCH", "DELETE"}
_POLICY = ("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:{images}; "
           "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
_PART_BYTES = 8192  # that have to come of a body, or its end, in each
_PART_SECONDS = 8.0  # of these; chosen, 1 KiB a second
_HEADERS = {
    "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin"}


def error_answer(status: int, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """The one form of errors."""
    return JSONResponse({"error": {"status": status, "message": message}}, status, headers)


class Limits:
    """Refuses what comes from a page of another site or is too large, and adds headers of safety.

    A page of another site can have a browser send forms here. It says so in `Origin`; a name that was made
    to point here after the page was loaded shows in `Host`.

    Args:
        app: what answers all else.
        max_bytes: of a body.
        max_seconds: that a body may take to come; one that all but stops is refused after 8.
        hosts: names that `Host` may have, in lower case; none: any.
        images: another origin that the page may take pictures from, such as map tiles; empty: none.
    """

    def __init__(self, app: ASGIApp, max_bytes: int, max_seconds: float, hosts: frozenset[str],
                 images: str = ""):
        policy = _POLICY.format(images=f" {images}" if images else "")
        self._headers = {"Content-Security-Policy": policy, **_HEADERS}
        self._app, self._max_bytes, self._max_seconds, self._hosts = app, max_bytes, max_seconds, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self._headers)
            await send(message)

        refusal = self._refusal(scope)
        if refusal is not None:
            await error_answer(*refusal)(scope, receive, send_with_headers)
        else:
            await self._app(scope, self._bounded(receive), send_with_headers)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "").lower()
        if self._hosts and _name_of(host) not in self._hosts:
            return 421, f"This server answers for {', '.join(sorted(self._hosts))}. Received: Host {host!r}."
        origin = headers.get("origin", "").lower()
        if scope["method"] in _CHANGING and origin and origin.partition("://")[2] != host:
            return 403, f"Pages of other sites may not send anything here. Received: Origin {origin!r}."
        length = headers.get("content-length", "0")
        if length.isdigit() and int(length) > self._max_bytes:
            return self._too_large
        return None

    @property
    def _too_large(self) -> tuple[int, str]:
        return 413, f"An upload must have at most {self._max_bytes >> 20} MiB."

    def _bounded(self, receive: Receive) -> Receive:
        body = _Body(self._max_seconds)

        async def bounded() -> Message:
            if body.is_whole:  # what comes is that the client has left
                return await receive()
            message = await body.received_in_time(receive)
            if body.num_bytes > self._max_bytes:
                raise HTTPException(*self._too_large)
            return message

        return bounded


class _Body:
    """What has come of a body, and until when more has to come."""

    def __init__(self, max_seconds: float):
        self.num_bytes, self.is_whole = 0, False
        self._max_seconds = max_seconds
        self._end: float | None = None  # of the body
        self._part_end, self._part_bytes = 0.0, 0

    async def received_in_time(self, receive: Receive) -> Message:
        """What `receive` gives; HTTPException 408 where it is too late."""
        now = asyncio.get_running_loop().time
        if self._end is None:
            self._end, self._part_end = now() + self._max_seconds, now() + _PART_SECONDS
        try:
            message: Any = await asyncio.wait_for(receive(), min(self._end, self._part_end) - now())
        except asyncio.TimeoutError:
            raise HTTPException(408, f"An upload must come within {self._max_seconds:g} seconds, and "
                                     f"{_PART_BYTES >> 10} KiB of it in each {_PART_SECONDS:g}.") from None
        self.is_whole = not message.get("more_body", False)
        num_bytes = len(message.get("body", b""))
        self.num_bytes += num_bytes
        self._part_bytes += num_bytes
        if self._part_bytes >= _PART_BYTES:
            self._part_end, self._part_bytes = now() + _PART_SECONDS, 0
        return message


def _name_of(host: str) -> str:
    """The host of a `Host` header, without its port."""
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]
