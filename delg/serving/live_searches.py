"""Searches under way, each in a thread of a few, that others may look at, and end."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from delg.serving.searched import Answer, Search

_KEPT = 64  # searches that can be asked for, the youngest; chosen
_ABANDONED = 20.0  # seconds after which a search that nobody asks for ends; chosen


class Ended(Exception):
    """The search was ended before it was done."""


class LiveSearch:
    """A search that goes on in a thread.

    Args:
        search: what is done.
        is_watched: whether it ends when nobody asks for it for a while.
        only_global: whether the first answer is enough.

    Attributes:
        id: to ask for it.
        search: as given.
        first, last: the answers of these names, when they are there.
        picture: of the query, JPEG, when it is there; None: none is made.
    """

    def __init__(self, search: Search, is_watched: bool = False, only_global: bool = False):
        self.id = secrets.token_urlsafe(12)
        self.search, self._is_watched, self._only_global = search, is_watched, only_global
        self.first: Future[Answer] = Future()
        self.last: Future[Answer] = Future()
        self._answer = Answer(())
        self._asked = time.monotonic()
        self._is_ended = threading.Event()
        self.picture: Future[bytes] | None = None

    def look(self) -> Answer:
        """The newest answer.

        Raises:
            Ended: if it was ended before it was done.
            Exception: that ended it.
        """
        self._asked = time.monotonic()
        return self.last.result() if self.last.done() else self._answer

    def end(self) -> None:
        """Ends it after the step it is at."""
        self._is_ended.set()

    def run(self) -> None:
        """Does all of it, in the thread that calls."""
        try:
            for answer in self.search.steps():
                self._answer = answer
                if not self.first.done():
                    self._asked = time.monotonic()  # nobody could ask while it waited for a thread
                    self.first.set_result(answer)
                if self._only_global:
                    break
                abandoned = self._is_watched and time.monotonic() - self._asked > _ABANDONED
                if not answer.is_final and (abandoned or self._is_ended.is_set()):
                    raise Ended("The search was ended before it was done.")
            self.last.set_result(self._answer)
        except Exception as error:  # whoever waits is told
            for future in (self.first, self.last):
                if not future.done():
                    future.set_exception(error)


class LiveSearches:
    """Some searches at once.

    Args:
        num_threads: that search; what is more waits its turn.
    """

    def __init__(self, num_threads: int):
        self._pool = ThreadPoolExecutor(num_threads, "searching")
        self._kept: dict[str, LiveSearch] = {}
        self._lock = threading.Lock()

    def start(self, search: LiveSearch, done: Callable[[Future], None], keep: bool = False) -> None:
        """Has a search done, and `done` called then; `keep`: so that `get` knows it."""
        search.last.add_done_callback(done)
        if keep:
            with self._lock:
                self._kept[search.id] = search
                for old in list(self._kept)[:-_KEPT]:
                    self._kept.pop(old).end()
        self._pool.submit(search.run)

    def get(self, search_id: str) -> LiveSearch:
        """A search that was kept; KeyError where there is none, or it was long ago."""
        return self._kept[search_id]

    def close(self) -> None:
        """Ends all that goes on."""
        with self._lock:
            for search in self._kept.values():
                search.end()
        self._pool.shutdown(cancel_futures=True)
