"""HTTP connections whose heads have to come in time, which uvicorn waits for without end."""

from __future__ import annotations

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from delg.serving.limits import error_answer

HEAD_SECONDS = 8.0  # from the connection, or from the first byte of the next head; chosen
_MESSAGE = error_answer(408, f"The head of a request must come within {HEAD_SECONDS:g} seconds.").body
_ANSWER = (b"HTTP/1.1 408 Request Timeout\r\nContent-Type: application/json\r\nConnection: close\r\n"
           b"Content-Length: %d\r\n\r\n%b" % (len(_MESSAGE), _MESSAGE))


class HeadsInTime(H11Protocol):
    """A connection of uvicorn that ends with status 408 where the head of a request does not come in time."""

    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._end_waiting()
        elif self._waiting is None:
            self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_waiting()
        super().connection_lost(exc)

    def _wait_for_head(self) -> None:
        self._waiting = self.loop.call_later(HEAD_SECONDS, self._refuse)

    def _end_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _refuse(self) -> None:
        self.transport.write(_ANSWER)
        self.transport.close()
