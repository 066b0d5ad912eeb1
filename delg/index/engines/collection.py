"""A collection in Milvus, on a server or embedded in this process: descriptors by place.

    place          int64, the primary key
    image_id       varchar, for other clients of the server
    descriptor     float vector [D], unit norm

Its property `delg.fingerprint` is that of the model. What Milvus refuses becomes an OSError.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import logging
import logging.config
import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pymilvus

MOST_RESULTS = 16_384  # of one query: a limit of Milvus, as the next
_MOST_ID_BYTES = 65_535
_MESSAGE_BYTES = 2**24  # of descriptors sent or asked for at once; chosen: a quarter of what a server takes
_PLACES = 10_000  # named in one call
_SECONDS = 120  # after which a call fails; chosen
_FINGERPRINT = "delg.fingerprint"
TOKEN = "MILVUS_TOKEN"  # environment variable: user:password or API key of a server
NO_PACKAGE = ("index_type=milvus needs the packages pymilvus and milvus-lite: pip install '.[milvus]', or "
              "pip install pymilvus==2.5.18 milvus-lite==3.2.2")


@dataclasses.dataclass(frozen=True)
class Address:
    """Where a collection is.

    Attributes:
        uri: http://HOST:PORT or the like of a server; or the path of a file that ends in .db, of which a
            relative one counts from the folder of the index.
        name: of the collection.
    """

    uri: str
    name: str

    @classmethod
    def in_folder(cls, uri: str, name: str, index_dir: str) -> Address:
        """The address as an index in a folder keeps it; no `uri`: a file in this folder.

        Raises:
            ValueError: if it names neither a server nor such a file.
        """
        if is_server(uri):
            return cls(uri, name)
        path = os.path.abspath(uri or os.path.join(index_dir, "milvus.db"))
        if not path.endswith(".db") or not os.path.isdir(os.path.dirname(path)):
            raise ValueError("`uri` must be http://HOST:PORT, or a file in an existing folder with a name "
                             f"that ends in .db. Received: uri={uri!r}.")
        inside = os.path.relpath(path, os.path.abspath(index_dir))
        return cls(path if inside.startswith(os.pardir) else inside, name)


def is_server(uri: str) -> bool:
    """Whether it is the address of a server, not a file."""
    return "://" in uri


class Collection:
    """One collection; connects when it is made.

    Args:
        address: of the collection, which need not exist yet.
        index_dir: folder that relative files count from.

    Attributes:
        address: as given.
        name: of the collection.
        uri: of the server, or path of the file.

    Raises:
        OSError: if Milvus does not answer.
        ValueError: if the package is not installed.
    """

    def __init__(self, address: Address, index_dir: str):
        self.address, self.name = address, address.name
        self.uri = address.uri if is_server(address.uri) else os.path.join(index_dir, address.uri)
        package = _package()
        try:
            self._client = package.MilvusClient(uri=self.uri, token=os.environ.get(TOKEN, ""))
        except package.MilvusException as error:
            alone = "" if is_server(self.uri) else ", to one process at a time"
            raise OSError(f"Milvus at {self.uri} must answer{alone}. Received: {error}.") from error

    def exists(self) -> bool:
        with self._asking("find"):
            return self._client.has_collection(self.name, timeout=_SECONDS)

    def create(self, dimension: int, fingerprint: str) -> None:
        """Makes it, without descriptors, if it is not there."""
        if self.exists():
            return
        types = _package().DataType
        schema = self._client.create_schema(auto_id=False)
        schema.add_field("place", types.INT64, is_primary=True)
        schema.add_field("image_id", types.VARCHAR, max_length=_MOST_ID_BYTES)
        schema.add_field("descriptor", types.FLOAT_VECTOR, dim=dimension)
        with self._asking("make"):
            self._client.create_collection(self.name, schema=schema, properties={_FINGERPRINT: fingerprint},
                                           timeout=_SECONDS)

    def fingerprint(self) -> str:
        """Of the model that made its descriptors."""
        with self._asking("describe"):
            return self._client.describe_collection(self.name)["properties"].get(_FINGERPRINT, "")

    @staticmethod
    def batch_rows(dimension: int) -> int:
        """Descriptors that are sent or asked for at once."""
        return max(1, min(_PLACES, _MESSAGE_BYTES // (4 * dimension)))

    def upsert(self, first_place: int, ids: Sequence[str], descriptors: np.ndarray) -> None:
        """Puts float32 [n, D] at n places in a row, instead of what may be there."""
        rows = [{"place": place, "image_id": image_id, "descriptor": descriptor}
                for place, (image_id, descriptor) in enumerate(zip(ids, descriptors), first_place)]
        with self._asking("fill"):
            self._client.upsert(self.name, rows, timeout=_SECONDS)

    def settle(self, index_type: str, parameters: dict[str, Any]) -> None:
        """Makes all that was sent searchable: written, indexed by the inner product, loaded.."""
        parts = self._client.prepare_index_params()
        parts.add_index("descriptor", index_type=index_type, metric_type="IP",
                        params={"params": parameters})  # as both read them, servers and the embedded one
        with self._asking("index"):
            self._client.flush(self.name)
            if not self._client.list_indexes(self.name):
                self._client.create_index(self.name, parts, sync=is_server(self.uri))  # embedded: at once
        self.open()

    def open(self) -> None:
        """Loads it, where it is not loaded: an embedded one is closed with its process."""
        with self._asking("load"):
            self._client.load_collection(self.name)

    def count(self, first_place: int, end: int) -> int:
        """Descriptors that are there, of places from the first on and before the end; all that was sent."""
        with self._asking("count"):
            [found] = self._client.query(self.name, filter=f"place >= {first_place} and place < {end}",
                                         output_fields=["count(*)"], consistency_level="Strong",
                                         timeout=_SECONDS)
        return int(found["count(*)"])

    def nearest(self, queries: np.ndarray, num_places: int, parameters: dict[str, Any],
                end: int | None = None) -> Iterator[np.ndarray]:
        """Places of the largest inner products with each query, int64 [at most `num_places`], best first.

        Args:
            queries: float32, [Q, D].
            num_places: at most MOST_RESULTS.
            parameters: of the search, as Milvus has them for its type of index.
            end: places from here on do not count; None: all do.
        """
        among = {} if end is None else {"filter": f"place < {end}"}
        step = max(1, 8 * MOST_RESULTS // num_places)
        for first in range(0, len(queries), step):
            with self._asking("search"):
                found = self._client.search(
                    self.name, data=list(queries[first:first + step]), anns_field="descriptor",
                    limit=num_places, search_params={"metric_type": "IP", "params": parameters},
                    timeout=_SECONDS, **among)
            for hits in found:
                yield np.array([hit.id for hit in hits], np.int64)

    def descriptors(self, places: np.ndarray, dimension: int) -> np.ndarray:
        """float32 [n, D] at places int64 [n].

        Raises:
            OSError: if there is none at one of them.
        """
        found = np.empty((len(places), dimension), np.float32)
        for chosen in _parts(np.arange(len(places)), self.batch_rows(dimension)):
            wanted, inverse = np.unique(places[chosen], return_inverse=True)
            with self._asking("read"):
                rows = self._client.get(self.name, ids=wanted.tolist(), output_fields=["descriptor"],
                                        timeout=_SECONDS)
            by_place = {row["place"]: row["descriptor"] for row in rows}
            missing = set(wanted.tolist()).difference(by_place)
            if missing:
                raise OSError(f"Collection {self.name!r} at {self.uri} must hold place {min(missing)}: it "
                              "was changed by others, build the index again. Received: no descriptor.")
            found[chosen] = np.array([by_place[place] for place in wanted.tolist()], np.float32)[inverse]
        return found

    def delete(self, places: np.ndarray) -> None:
        """Removes what is at places int64 [n]."""
        with self._asking("delete from"):
            for some in _parts(places, _PLACES):
                self._client.delete(self.name, ids=some.tolist(), timeout=_SECONDS)

    def delete_from(self, first_place: int) -> None:
        """Removes what is at a place and all after it; what is loaded can be asked for that."""
        with self._asking("delete from"):
            self._client.delete(self.name, filter=f"place >= {first_place}", timeout=_SECONDS)

    def drop(self) -> None:
        """Removes it with all that is in it, if it is there."""
        if self.exists():
            with self._asking("drop"):
                self._client.drop_collection(self.name, timeout=_SECONDS)

    @contextlib.contextmanager
    def _asking(self, what: str) -> Iterator[None]:
        package = _package()
        try:
            yield
        except package.MilvusException as error:
            raise OSError(f"Milvus at {self.uri} could not {what} collection {self.name!r}. "
                          f"Received: {error}.") from error


def _parts(array: np.ndarray, size: int) -> Iterator[np.ndarray]:
    for first in range(0, len(array), size):
        yield array[first:first + size]


@functools.lru_cache(1)
def _package() -> pymilvus:
    """pymilvus, which an optional extra installs."""
    try:
        with _logging_left_alone():
            import pymilvus
    except ImportError as error:
        raise ValueError(f"{NO_PACKAGE}. Received: {error}.") from error
    for name in ("pymilvus", "pymilvus.milvus_client", "milvus_lite"):  # their errors come as exceptions
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return pymilvus


@contextlib.contextmanager
def _logging_left_alone() -> Iterator[None]:
    """For the import of pymilvus: it configures logging anew, which closes the handlers of all others, and
    with them, once absl logs, whatever stream stood for stderr.
    """
    configure = logging.config.dictConfig
    logging.config.dictConfig = lambda _: None
    try:
        yield
    finally:
        logging.config.dictConfig = configure
