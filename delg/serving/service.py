"""What the routes call: takes queries in, bounds how many, describes them and has them searched."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import secrets
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from delg.features.preparing import BadImageError
from delg.features.shards import ImageFeatures
from delg.geometry.comparing import compare
from delg.scores.found import FoundImage
from delg.serving import pictures, queries
from delg.serving.batches import BatchedDescriber
from delg.serving.live_searches import LiveSearch, LiveSearches
from delg.serving.monitoring import Monitoring
from delg.serving.photographs import Photographs
from delg.serving.queries import Query, UnknownImage
from delg.serving.searched import Answer, Matches, Search, Searched, judged_hit
from delg.settings.serving import ServeConfig

_LOOK = 0.2  # seconds between two looks whether a client has left; chosen
_READERS = 4  # threads that decode images, which takes milliseconds; chosen


class TooBusy(Exception):
    """Too many searches are under way."""


class MayNotChange(Exception):
    """Who asks may not change the collection; `status` 401 where a token would do, 403 where none is set."""

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status


class Service:
    """A collection that many clients search at once.

    Args:
        photographs: what is searched.
        config: limits.

    Attributes:
        monitoring: figures.
    """

    def __init__(self, photographs: Photographs, config: ServeConfig):
        self.photographs, self._config = photographs, config
        self.monitoring = Monitoring(lambda: len(photographs.searched.index))
        self._describer = BatchedDescriber(photographs.describer)
        self._searches = LiveSearches(os.cpu_count() or 1)
        self._readers = ThreadPoolExecutor(_READERS, "reading")
        self._places = threading.BoundedSemaphore(config.max_searches)
        self._max_pixels = config.max_megapixels * 1_000_000

    @property
    def searched(self) -> Searched:
        """The collection as it is now."""
        return self.photographs.searched

    def close(self) -> None:
        """Ends what goes on and waits for it."""
        self._searches.close()
        self._readers.shutdown(cancel_futures=True)
        self._describer.close()

    async def search(self, encoded: bytes | None, image_id: str, box: str, num_hits: int, verify: bool,
                     has_left: Callable[[], Awaitable[bool]]) -> Answer:
        """All of a search, or its first answer; ended when the client has left.

        Args:
            encoded: image file; None: `image_id` names an image of the collection.
            image_id: empty where there is a file.
            box: `x1,y1,x2,y2`, or empty.
            num_hits: at most.
            verify: whether geometry is asked too.
            has_left: says whether the client has left.

        Raises:
            TooBusy, UnknownImage, BadBox, BadImageError, Ended
        """
        search, _ = await self._start(encoded, image_id, box, num_hits, only_global=not verify)
        wanted = asyncio.wrap_future(search.last)
        try:
            while not wanted.done():
                await asyncio.wait({wanted}, timeout=_LOOK)
                if not wanted.done() and await has_left():
                    search.end()
            return wanted.result()
        finally:  # the server may be ending
            search.end()
            wanted.cancel()

    async def start(self, encoded: bytes | None, image_id: str, box: str,
                    num_hits: int) -> tuple[LiveSearch, Answer]:
        """Begins a search that can be looked at by its id; its first answer. Arguments as of `search`."""
        search, query = await self._start(encoded, image_id, box, num_hits, keep=True)
        answer = await asyncio.wrap_future(search.first)
        if query.taken is not None:  # not before: the answer need not wait for it
            search.picture = self._readers.submit(pictures.picture_of_upload, query.taken,
                                                  pictures.MAX_SIZE // 2)
        return search, answer

    def live(self, search_id: str) -> LiveSearch:
        """A search that `start` began; KeyError where there is none, or it was long ago."""
        return self._searches.get(search_id)

    async def verify(self, encoded: bytes, image_id: str, box: str) -> tuple[FoundImage, Matches]:
        """An image of the collection compared with an image file. Raises as `search`."""
        searched = self.searched
        if image_id not in searched.images.row_of:
            raise UnknownImage(image_id)
        self._take_place()
        try:
            return await self._verified(searched, encoded, image_id, queries.box_of(box))
        finally:
            self._done()

    async def _verified(self, searched: Searched, encoded: bytes, image_id: str,
                        box: queries.Box | None) -> tuple[FoundImage, Matches]:
        query, features = await self._described(searched, encoded, "", box)

        def judge() -> tuple[FoundImage, Matches]:
            comparison = compare(features, searched.features_of(image_id), searched.config)
            local = 0.0
            if searched.local_index is not None:
                row = searched.local_index.ids.index(image_id)
                local = float(searched.local_index.similarities([features.local.descriptors])[0, row])
            hit, matches = judged_hit(searched, image_id, comparison, local, query.box)
            return dataclasses.replace(hit, place=searched.place_of(image_id)), matches

        return await self._read(judge)

    async def picture(self, image_id: str, size: int) -> bytes:
        """An image of the collection as JPEG; UnknownImage where there is none."""
        path = self.searched.paths.get(image_id)
        if path is None:
            raise UnknownImage(image_id)
        try:
            return await self._read(pictures.picture_of, path, size)
        except (OSError, ValueError):  # removed or damaged since
            raise UnknownImage(image_id) from None

    async def add(self, encoded: bytes) -> str:
        """As `Photographs.add`."""
        return await asyncio.get_running_loop().run_in_executor(None, self.photographs.add, encoded,
                                                                self._max_pixels)

    async def remove(self, image_id: str) -> None:
        """As `Photographs.remove`."""
        await asyncio.get_running_loop().run_in_executor(None, self.photographs.remove, image_id)

    def check_may_change(self, authorization: str) -> None:
        """Raises MayNotChange unless who sends this `Authorization` header may change the collection."""
        token = self._config.token
        if token and not secrets.compare_digest(authorization.encode(), f"Bearer {token}".encode()):
            raise MayNotChange(401, "Changes need the header Authorization: Bearer TOKEN.")
        if not token and not self._config.is_local:
            raise MayNotChange(403, "Nobody may change the collection: the server was started without "
                               "--token.")

    async def _start(self, encoded: bytes | None, image_id: str, box: str, num_hits: int, keep: bool = False,
                     only_global: bool = False) -> tuple[LiveSearch, Query]:
        self._take_place()
        searched = self.searched
        try:
            query, features = await self._described(searched, encoded, image_id, queries.box_of(box))
        except BaseException:
            self._done()
            raise
        search = Search(searched, features, query.left_out, query.box, num_hits, query.place)
        live = LiveSearch(search, keep, only_global)
        self._searches.start(live, self._done, keep)
        return live, query

    async def _described(self, searched: Searched, encoded: bytes | None, image_id: str,
                         box: queries.Box | None) -> tuple[Query, ImageFeatures]:
        if encoded is None:
            query = await self._read(queries.of_collection, image_id, box, searched, self._describer,
                                     self._max_pixels)
        else:
            query = await self._read(queries.of_upload, encoded, box, searched, self._describer,
                                     self._max_pixels)
        if query.features is not None:
            return query, query.features
        features = await asyncio.wrap_future(self._describer.describe(query.image))
        if features.global_descriptor.size and not 0 < np.linalg.norm(features.global_descriptor) < np.inf:
            raise BadImageError("it, or the box, is too small or too plain to be described")
        return query, features

    def _take_place(self) -> None:
        if not self._places.acquire(blocking=False):
            self.monitoring.refused.inc()
            raise TooBusy(f"{self._config.max_searches} searches are under way. Come again in a moment.")
        self.monitoring.running.inc()

    def _done(self, _: Any = None) -> None:
        self.monitoring.running.dec()
        self._places.release()

    async def _read(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._readers, function, *arguments)
