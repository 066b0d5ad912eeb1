"""An index of binary codes: the nearest by Hamming distance, images by name, kept in files.

`flat` compares with every code. `ivf` looks into the lists whose centres are nearest, `hash` into the buckets
of several substrings of the code; both miss some neighbours and are many times faster on millions of codes.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from data_prep.stage.stored_settings import from_stored
from delg.index.files import IndexFiles, IndexWriter, loading, read_description
from delg.vectors import sign_bits
from hashing.index.config import CodeIndexConfig
from hashing.index.finder import CodeFinder
from hashing.index.kinds import CODE_INDEX_KINDS

_IDS_AT_ONCE = 2**16


class CodeIndex:
    """Packed codes with the ids of their images.

    Args:
        codes: uint8, [N, B]; packed as by `codes.pack`.
        ids: N image ids, or their UTF-8 bytes as a numpy array of kind S.
        code_size: bits of a code; unused bits of its last byte are 0.
        config: how neighbours are found.
        fingerprint: of the model that made the codes.
        finder: of these very codes, as both were saved, so that ids are known to differ; None: one is made.

    Raises:
        ValueError: if shapes contradict each other, an id occurs twice, or `hash` has more tables than fit.
    """

    def __init__(self, codes: np.ndarray, ids, code_size: int, config: CodeIndexConfig | None = None,
                 fingerprint: str = "", finder: CodeFinder | None = None):
        if code_size < 1:
            raise ValueError(f"`code_size` must be at least 1. Received: code_size={code_size}.")
        self.config, self.code_size, self.fingerprint = config or CodeIndexConfig(), code_size, fingerprint
        self._codes, self._ids = np.empty((0, sign_bits.num_bytes(code_size)), np.uint8), np.empty(0, "S1")
        codes, ids = self._checked(codes, ids)
        if finder is None:
            self._refuse_repeated(ids)
            finder = CODE_INDEX_KINDS[self.config.index_type].train(codes, self.config)
            finder.add(codes, 0)
        self._codes, self._ids, self._finder = codes, ids, finder

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def codes(self) -> np.ndarray:
        """uint8 [N, B], as given."""
        return self._codes

    def ids(self, rows: np.ndarray) -> list[str]:
        """Ids of some images: int [n] to n strings."""
        return [image_id.decode() for image_id in self._ids[rows]]

    def add(self, codes: np.ndarray, ids) -> None:
        """Appends images; takes time by their number, not by the size of the index.

        Args:
            codes: uint8, [n, B].
            ids: n strings, new to the index.

        Raises:
            ValueError: as the constructor.
        """
        codes, ids = self._checked(codes, ids)
        self._refuse_repeated(ids)
        num_known = len(self)
        self._codes = np.concatenate([self._codes, codes])
        self._ids = np.concatenate([self._ids, ids])
        self._finder.add(self._codes, num_known)

    def search(self, queries: np.ndarray, num_neighbors: int) -> tuple[np.ndarray, np.ndarray]:
        """The nearest codes of every query.

        Args:
            queries: uint8, [Q, B].
            num_neighbors: results per query, K; all N if more are asked for.

        Returns:
            rows: int64, [Q, K], nearest first, the lower row first among the found of one distance; which of
                the images at the last distance are found is left open. -1 where `ivf` or `hash` found fewer.
            distances: int32, [Q, K], bits; -1 where there is no row.

        Raises:
            ValueError: if the codes are of another size.
        """
        queries = self._checked_codes(queries)
        wanted = min(num_neighbors, len(self))
        if wanted < 1 or not len(queries):
            return np.empty((len(queries), 0), np.int64), np.empty((len(queries), 0), np.int32)
        distances, rows = self._finder.search(queries, wanted)
        distances = np.where(rows < 0, -1, distances).astype(np.int32)
        last = np.where(rows < 0, self.code_size + 1, distances)
        order = np.lexsort((rows, last))
        return np.take_along_axis(rows, order, 1), np.take_along_axis(distances, order, 1)

    def save(self, index_dir: str) -> None:
        """Writes the index into a folder, whole or not at all; an index that is there is replaced."""
        stems = {stem for finder in CODE_INDEX_KINDS.values() for stem in finder.stems}
        with IndexWriter(index_dir, {"codes", *stems}) as writer:
            arrays = {"codes": writer.write_array("codes", self._codes),
                      "ids": writer.write_array("ids", self._ids), **self._finder.write(writer)}
            writer.finish({
                "type": f"codes_{self.config.index_type}", "dimension": self.code_size,
                "num_images": len(self), "fingerprint": self.fingerprint, "features": {},
                "config": dataclasses.asdict(self.config), "segments": [], "arrays": arrays})

    @classmethod
    def load(cls, index_dir: str) -> CodeIndex:
        """The index that `save` wrote, every byte compared with its checksum.

        Raises:
            FileNotFoundError: if there is none.
            ValueError: if it is damaged or not an index of codes.
        """
        description = read_description(index_dir)
        if not description["type"].startswith("codes_"):
            raise ValueError("`index_dir` must hold an index of binary codes. "
                             f"Received: {index_dir!r} of type {description['type']!r}.")
        with loading(index_dir):
            files = IndexFiles(index_dir, description)
            config = from_stored(CodeIndexConfig, description["config"], "index.json")
            codes, ids = files.read_array("codes"), files.read_array("ids")
            finder = CODE_INDEX_KINDS[config.index_type].load(files, codes, config)
            return cls(codes, ids, description["dimension"], config, description["fingerprint"], finder)

    def _checked_codes(self, codes: np.ndarray) -> np.ndarray:
        codes = np.ascontiguousarray(codes)
        expected = self._codes.shape[1]
        if codes.dtype != np.uint8 or codes.ndim != 2 or codes.shape[1] != expected:
            raise ValueError(f"Codes of {self.code_size} bits must be uint8 [n, {expected}]. "
                             f"Received: {codes.dtype} {codes.shape}.")
        return codes

    def _checked(self, codes: np.ndarray, ids) -> tuple[np.ndarray, np.ndarray]:
        codes, ids = self._checked_codes(codes), _as_bytes(ids)
        if len(codes) != len(ids):
            raise ValueError(f"There must be one id per code. Received: {len(codes)} codes, {len(ids)} ids.")
        return codes, ids

    def _refuse_repeated(self, ids: np.ndarray) -> None:
        found, counts = np.unique(ids, return_counts=True)
        again = found[(counts > 1) | _among(found, self._ids)]
        if again.size:
            raise ValueError("Image ids must be unique in an index. "
                             f"Received: {again[0].decode()!r} more than once.")


def _as_bytes(ids) -> np.ndarray:
    """Ids as a numpy array of UTF-8 bytes: ten million take a hundred megabytes, strings a gigabyte."""
    if isinstance(ids, np.ndarray) and ids.dtype.kind == "S":
        return ids
    return np.array([image_id.encode() for image_id in ids], "S" if len(ids) else "S1")


def _among(ids: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Which of a few ids are among many: bool [n].

    Marks the hashes of the few, so that hardly any of the many is left to be compared.
    """
    words = -(-max(ids.itemsize, present.itemsize) // 8)
    factors = np.random.default_rng(0).integers(0, 2**64, words, dtype=np.uint64) | np.uint64(1)
    bits = min(24, 7 + len(ids).bit_length())  # a hundred places for each, within 16 MB

    def hashed(part: np.ndarray) -> np.ndarray:
        numbers = part.astype(f"S{8 * words}").view(np.uint64).reshape(-1, words)
        return (numbers @ factors) >> np.uint64(64 - bits)

    marked = np.zeros(2**bits, bool)
    marked[hashed(ids)] = True
    blocks = (present[start:start + _IDS_AT_ONCE] for start in range(0, len(present), _IDS_AT_ONCE))
    return np.isin(ids, np.concatenate([present[:0], *(block[marked[hashed(block)]] for block in blocks)]))
