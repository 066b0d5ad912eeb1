"""The JSON API and the page: what each address answers."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.resources
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Optional

from fastapi import (
    APIRouter,
    FastAPI,
    File,
    Form,
    Header,
    HTTPException,
    Query,
    Request,
    Response,
    UploadFile,
)
from fastapi.exceptions import RequestValidationError
from starlette.convertors import PathConvertor, register_url_convertor
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from delg.features.preparing import BadImageError
from delg.pictures import maps
from delg.serving import answers, pictures
from delg.serving.limits import Limits, error_answer
from delg.serving.live_searches import Ended, LiveSearch
from delg.serving.monitoring import Counting
from delg.serving.photographs import CannotChange, CannotKeep
from delg.serving.queries import BadBox, UnknownImage
from delg.serving.searched import Answer
from delg.serving.service import MayNotChange, Service, TooBusy
from delg.settings.places import GPS_ALONE, PlacesConfig
from delg.settings.serving import ServeConfig

API = "/v1"
_PAGE = {"": ("index.html", "text/html; charset=utf-8"), "serve.js": ("serve.js", "text/javascript"),
         "serve.css": ("serve.css", "text/css"), "icon.svg": ("icon.svg", "image/svg+xml")}
_MAP = {**dict.fromkeys(maps.SCRIPTS, "text/javascript"), **dict.fromkeys(maps.STYLES, "text/css"),
        maps.COASTS: "application/json"}  # which the page asks for when a place is known
_LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]"})
_MAX_HITS = 200
_FORM_BYTES = 1 << 16  # of an upload beside the image
_JPEG = {200: {"content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}}}}

_Image = Annotated[Optional[UploadFile], File(description="image file to search for")]
_ImageId = Annotated[str, Form(description="id of an image of the collection to search for, instead")]
_Box = Annotated[str, Form(description="x1,y1,x2,y2 in pixels: only this part is searched for")]
_NumHits = Annotated[int, Form(ge=1, le=_MAX_HITS, description="at most")]


class _Text(PathConvertor):
    regex = "(?s:.*)"  # names of files may have line breaks too


register_url_convertor("text", _Text())


class _HeadAsGet:
    """ASGI middleware: what GET answers is answered to HEAD; the server itself leaves out the body."""

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app({**scope, "method": "GET"} if scope.get("method") == "HEAD" else scope, receive, send)


def build_app(service: Service, config: ServeConfig, places: PlacesConfig = GPS_ALONE) -> FastAPI:
    """The application that answers requests.

    Args:
        service: does what is asked; closed when the application ends.
        config: limits.
        places: what the map of the page is drawn on.
    """
    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        service.close()

    app = FastAPI(title="Image search", version="1.0", docs_url=None, redoc_url=None, lifespan=lifespan,
                  description="Finds the images of a collection that show what an image shows.")
    router = _api(service, places)
    app.include_router(router, prefix=API)
    app.include_router(router, include_in_schema=False)  # the same without its version
    _add_page(app)
    _add_errors(app)
    app.add_middleware(Counting, monitoring=service.monitoring)
    app.add_middleware(Limits, max_bytes=(config.max_upload_mb << 20) + _FORM_BYTES,
                       max_seconds=float(config.max_seconds),
                       hosts=_LOCAL_HOSTS | {in_address(config.host)} if config.is_local else frozenset(),
                       images=places.tile_origin)
    app.add_middleware(_HeadAsGet)
    return app


def in_address(host: str) -> str:
    """A host as `Host` has it."""
    return f"[{host}]" if ":" in host else host.lower()


def _api(service: Service, places: PlacesConfig) -> APIRouter:
    router = APIRouter(responses={"default": {"model": answers.Error}, 422: {"model": answers.Error}})
    _add_searches(router, service)
    _add_images(router, service)

    @router.get("/health")
    async def health() -> answers.Health:
        """Whether the server serves, and how many images."""
        return answers.Health(status="ok", images=len(service.searched.index))

    @router.get("/map")
    async def map_settings() -> answers.MapSettings:
        """What the page draws a map on."""
        return answers.MapSettings(tile_url=places.tile_url, tile_attribution=places.tile_attribution)

    @router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    async def metrics() -> Response:
        """Figures for Prometheus."""
        return service.monitoring.answer()

    return router


def _add_searches(router: APIRouter, service: Service) -> None:
    @router.post("/search")
    async def search(request: Request, image: _Image = None, image_id: _ImageId = "", box: _Box = "",
                     num_hits: _NumHits = 20,
                     verify: Annotated[bool, Query(description="false: by global descriptors alone")] = True
                     ) -> answers.Found:
        """Images that show what an image shows, the likeliest first."""
        encoded = await _upload(image, image_id)
        return answers.Found.of(await service.search(encoded, image_id, box, num_hits, verify,
                                                     request.is_disconnected))

    @router.post("/searches", status_code=202)
    async def start_search(image: _Image = None, image_id: _ImageId = "", box: _Box = "",
                           num_hits: _NumHits = 20) -> answers.LiveFound:
        """Begins a search: the answer by global descriptors at once, the rest at /searches/ID."""
        encoded = await _upload(image, image_id)
        live, answer = await service.start(encoded, image_id, box, num_hits)
        return _live_found(live, answer)

    @router.get("/searches/{search_id}")
    async def look_at_search(search_id: str) -> answers.LiveFound:
        """What a search has found so far; it ends when nobody looks for a while."""
        live = service.live(search_id)
        return _live_found(live, live.look())

    @router.delete("/searches/{search_id}", status_code=204)
    async def end_search(search_id: str) -> None:
        """Ends a search."""
        service.live(search_id).end()

    @router.get("/searches/{search_id}/picture", response_class=Response, responses=_JPEG)
    async def picture_of_query(search_id: str) -> Response:
        """The image that was uploaded, as JPEG."""
        picture = service.live(search_id).picture
        if picture is None:
            raise KeyError(search_id)
        encoded = await asyncio.shield(asyncio.wrap_future(picture))  # others may wait for it too
        return Response(encoded, media_type="image/jpeg")

    @router.get("/searches/{search_id}/matches/{image_id:text}")
    async def matches(search_id: str, image_id: str) -> answers.MatchedPoints:
        """What agrees between the query and a hit."""
        found = service.live(search_id).search.matches
        if image_id not in found:
            raise UnknownImage(image_id)
        return answers.MatchedPoints.of(found[image_id])

    @router.post("/verify")
    async def verify_one(image: Annotated[UploadFile, File(description="image file")],
                         image_id: Annotated[str, Form(description="id of an image of the collection")],
                         box: _Box = "") -> answers.Verified:
        """One image of the collection compared with an image file."""
        hit, found = await service.verify(await image.read(), image_id, box)
        return answers.Verified(hit=answers.Hit.of(hit), matches=answers.MatchedPoints.of(found))


def _add_images(router: APIRouter, service: Service) -> None:
    @router.get("/images")
    async def images(containing: Annotated[str, Query(max_length=200)] = "",
                     first: Annotated[int, Query(ge=0)] = 0,
                     limit: Annotated[int, Query(ge=1, le=1000)] = 60) -> answers.Images:
        """Ids of images, in order."""
        ids = sorted(image_id for image_id in service.searched.index.ids
                     if containing.lower() in image_id.lower())
        return answers.Images(total=len(ids), images=ids[first:first + limit],
                              can_change=service.photographs.can_change)

    @router.get("/images/{image_id:text}", response_class=Response,
                responses={**_JPEG, 304: {"description": "the picture is as `If-None-Match` has it"}})
    async def picture(request: Request, image_id: str,
                      size: Annotated[int, Query(ge=16, le=pictures.MAX_SIZE)] = 1024) -> Response:
        """An image of the collection, as JPEG."""
        sha256 = service.searched.sha256.get(image_id)
        headers = {"ETag": f'"{sha256[:16]}-{size}"', "Cache-Control": "no-cache"} if sha256 else {}
        if sha256 and request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        return Response(await service.picture(image_id, size), media_type="image/jpeg", headers=headers)

    @router.post("/images", status_code=201)
    async def add(image: Annotated[UploadFile, File(description="image file")],
                  authorization: Annotated[str, Header()] = "") -> answers.Changed:
        """Takes an image into the collection; it can be searched when this answers."""
        service.check_may_change(authorization)
        return answers.Changed(image=await service.add(await image.read()))

    @router.delete("/images/{image_id:text}")
    async def remove(image_id: str, authorization: Annotated[str, Header()] = "") -> answers.Changed:
        """Leaves an image out of the collection."""
        service.check_may_change(authorization)
        if image_id not in service.searched.images.row_of:
            raise UnknownImage(image_id)
        await service.remove(image_id)
        return answers.Changed(image=image_id)


async def _upload(image: UploadFile | None, image_id: str) -> bytes | None:
    if (image is None) == (not image_id):
        raise HTTPException(422, "Give `image`, an image file, or else `image_id`.")
    return None if image is None else await image.read()


def _live_found(live: LiveSearch, answer: Answer) -> answers.LiveFound:
    found = answers.Found.of(answer)
    return answers.LiveFound(search=live.id, query_size=live.search.query_size, is_final=answer.is_final,
                             verdict=found.verdict, place=found.place, hits=found.hits)


def _page_file(name: str) -> bytes:
    return (importlib.resources.files("delg.serving") / "templates" / name).read_bytes()


def _add_page(app: FastAPI) -> None:
    def show(content: bytes, media_type: str) -> Callable[[], Response]:
        return lambda: Response(content, headers={"Cache-Control": "no-cache"}, media_type=media_type)

    for address, media_type in _MAP.items():
        app.add_api_route(f"/{address}", show(maps.asset(address).encode(), media_type),
                          response_class=Response, include_in_schema=False)
    for address, (name, media_type) in _PAGE.items():
        app.add_api_route(f"/{address}", show(_page_file(name), media_type), response_class=Response,
                          include_in_schema=False)


def _add_errors(app: FastAPI) -> None:
    """Has every error answered in the one form."""
    def add(kind: type[Exception], status: int, message: Callable[[Exception], str] = str) -> None:
        async def answer(_: Request, error: Exception) -> Response:
            headers = {"Retry-After": "1"} if status == 503 else None
            return error_answer(status, message(error), headers)

        app.add_exception_handler(kind, answer)

    async def by_status(_: Request, error: Exception) -> Response:
        return error_answer(error.status_code, str(error.detail), getattr(error, "headers", None))

    async def may_not_change(_: Request, error: Exception) -> Response:
        return error_answer(error.status, str(error),
                            {"WWW-Authenticate": "Bearer"} if error.status == 401 else None)

    app.add_exception_handler(StarletteHTTPException, by_status)
    app.add_exception_handler(MayNotChange, may_not_change)
    add(RequestValidationError, 422, _what_is_wrong)
    add(TooBusy, 503)
    add(Ended, 410)
    add(CannotChange, 409)
    add(BadBox, 422)
    add(BadImageError, 422, lambda error: f"The image cannot be used: {str(error).rstrip('.')}.")
    add(CannotKeep, 507)
    add(KeyError, 404, lambda error: f"There is no {str(error.args[0])[:200]!r} here.")
    add(Exception, 500, lambda error: "The server has a fault; its log says which.")


def _what_is_wrong(error: Exception) -> str:
    return "; ".join(f"{'.'.join(map(str, found['loc']))}: {found['msg']}" for found in error.errors())[:500]
