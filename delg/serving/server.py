"""The server: a socket, the application, and how it ends."""

from __future__ import annotations

import socket
from collections.abc import Callable

import uvicorn

from delg.serving import photographs, routes
from delg.serving.heads import HeadsInTime
from delg.serving.service import Service
from delg.settings.places import PlacesConfig
from delg.settings.serving import ServeConfig

_SECONDS_TO_FINISH = 5  # that requests have when the server is to end; chosen, below the seven of scripts


def serve(config: ServeConfig, places: PlacesConfig, ready: Callable[[str, int], None]) -> None:
    """Answers requests until SIGINT or SIGTERM, which end the server when those under way are answered.

    Args:
        config: what is searched, and where the server listens.
        places: where the places of images come from, and what the map is drawn on.
        ready: called with the address and the number of images when requests are answered.

    Raises:
        as `photographs.opened`; OSError: if the address is not to be had.
    """
    with _listening(config) as listener, photographs.opened(config, places) as found:
        service = Service(found, config)
        app = routes.build_app(service, config, places)
        server = uvicorn.Server(uvicorn.Config(
            app, http=HeadsInTime, log_level="warning", access_log=False, ws="none", server_header=False,
            proxy_headers=False, timeout_graceful_shutdown=_SECONDS_TO_FINISH))
        host, port = listener.getsockname()[:2]
        ready(f"http://{routes.in_address(host)}:{port}", len(found.searched.index))
        server.run(sockets=[listener])


def _listening(config: ServeConfig) -> socket.socket:
    """A socket at the address, which is taken before the work."""
    try:
        family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
        return socket.create_server((config.host, config.port), family=family)
    except OSError as error:
        raise OSError(f"`host` and `port` must be an address that is free. Received: {config.host}, port "
                      f"{config.port}: {error.strerror or error}.") from error
