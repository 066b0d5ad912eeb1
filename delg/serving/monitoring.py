"""Figures of a server, for Prometheus."""

from __future__ import annotations

import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")  # clients may send any word


class Monitoring:
    """What a server counts, of its own and not of the process.

    Args:
        num_images: says how many images there are.

    Attributes:
        running: searches under way.
        refused: requests that were asked to come again.
    """

    def __init__(self, num_images: Callable[[], int]):
        self._registry = CollectorRegistry()
        self.requests = Counter("delg_requests", "Requests answered.", ("route", "method", "status"),
                                registry=self._registry)
        self.seconds = Histogram("delg_request_seconds", "Time to answer.", ("route",),
                                 registry=self._registry)
        self.running = Gauge("delg_searches_running", "Searches under way.", registry=self._registry)
        self.refused = Counter("delg_searches_refused", "Searches refused, as too many were under way.",
                               registry=self._registry)
        Gauge("delg_images", "Images of the collection.", registry=self._registry).set_function(num_images)

    def answer(self) -> Response:
        """All figures in the text form of Prometheus."""
        return Response(generate_latest(self._registry), media_type=CONTENT_TYPE_LATEST)


class Counting:
    """ASGI middleware that counts requests by the route that answered."""

    def __init__(self, app: ASGIApp, monitoring: Monitoring):
        self._app, self._monitoring = app, monitoring

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.monotonic(), 500

        async def counting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, counting)
        finally:
            route = getattr(scope.get("route"), "path", "none")  # a pattern: paths would be without number
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self._monitoring.requests.labels(route, method, str(status)).inc()
            self._monitoring.seconds.labels(route).observe(time.monotonic() - started)
