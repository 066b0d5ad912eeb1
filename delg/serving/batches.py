"""One model for many requests: images that wait at the same time go through it together."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Hashable
from concurrent.futures import Future
from typing import TYPE_CHECKING

from delg.features.preparing import PreparedImage
from delg.features.shards import ImageFeatures

if TYPE_CHECKING:
    from delg.features.describing import ImageDescriber


class BatchedDescriber:
    """A thread that describes images for others, those of one size together; never waits for more to come.

    Args:
        describer: the model, used by this thread alone.
    """

    def __init__(self, describer: ImageDescriber):
        self.describer = describer
        self._waiting: queue.SimpleQueue[tuple[PreparedImage, Future] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="describing", daemon=True)
        self._thread.start()

    def describe(self, image: PreparedImage) -> Future[ImageFeatures]:
        """Features of an image, once its turn has come; a future that is cancelled before costs nothing."""
        future: Future[ImageFeatures] = Future()
        self._waiting.put((image, future))
        return future

    def close(self) -> None:
        """Ends the thread when what waits is done."""
        self._waiting.put(None)
        self._thread.join()

    def _work(self) -> None:
        ends = False
        while not ends:
            taken = [self._waiting.get()]
            with contextlib.suppress(queue.Empty):
                while True:
                    taken.append(self._waiting.get_nowait())
            ends = None in taken
            of_shape: dict[Hashable, list[tuple[PreparedImage, Future]]] = {}
            for image, future in filter(None, taken):
                of_shape.setdefault(image.shape_key, []).append((image, future))
            for same in of_shape.values():
                at_once = self.describer.images_at_once(same[0][0])
                for first in range(0, len(same), at_once):
                    self._describe(same[first:first + at_once])

    def _describe(self, batch: list[tuple[PreparedImage, Future]]) -> None:
        batch = [(image, future) for image, future in batch if future.set_running_or_notify_cancel()]
        if not batch:
            return
        images, futures = zip(*batch)
        try:
            found = self.describer.describe_prepared(images)
        except Exception as error:  # each who asked is told; the thread goes on for the others
            for future in futures:
                future.set_exception(error)
            return
        for future, features in zip(futures, found):
            future.set_result(features)
