"""Hamming search in millions of codes: the scan against the bandwidth of memory, and indexes that skip most.

    python -m tests.benchmarks.bench_hamming [--num_codes=10000000 --num_queries=256 --index_types=flat,ivf]

Codes lie around centres, each bit flipped with probability 0.1, as a hashing network leaves the images of a
class. The bound of a scan is the time of reading all codes once, measured in the same run by summing them on
as many threads; a scan that reads them once for several queries may take less. Its distances are compared
with those that FAISS counts bit by bit. Recall counts by distance: a found code counts if it lies no farther
than the true neighbour of that rank, since codes at one distance are interchangeable. Times are the best of a
few repetitions; loading ends with a first result. Three gigabytes and some minutes for the defaults.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import faiss
import numpy as np
from absl import flags

from data_prep.stage import command_line
from hashing.index.code_index import CodeIndex
from hashing.index.config import CodeIndexConfig
from hashing.index.kinds import CODE_INDEX_KINDS

_NUM_CODES = flags.DEFINE_integer("num_codes", 10_000_000, "Codes of the index.", lower_bound=1000)
_NUM_QUERIES = flags.DEFINE_integer("num_queries", 256, "Codes searched for, in one batch.", lower_bound=1)
_NUM_CENTRES = flags.DEFINE_integer("num_centres", 20_000, "Classes the codes lie around.", lower_bound=1)
_FLIPPED = flags.DEFINE_float("flipped", 0.1, "Probability of a bit to differ from its centre's.")
_NUM_NEIGHBORS = flags.DEFINE_integer("num_neighbors", 100, "Neighbours per query.", lower_bound=1)
_NUM_ADDED = flags.DEFINE_integer("num_added", 10_000, "Codes added afterwards.", lower_bound=1)
_INDEX_TYPES = flags.DEFINE_list("index_types", list(CODE_INDEX_KINDS), "To be measured.")
_NUM_PROBES = flags.DEFINE_list("num_probes", [str(CodeIndexConfig.num_probes)], "Of ivf, to compare.")
_NUM_FLIPS = flags.DEFINE_list("num_flips", [str(CodeIndexConfig.num_flips)], "Of hash, to compare.")
_REPEATS = flags.DEFINE_integer("repeats", 3, "The best of so many times counts.", lower_bound=1)
_BITS = 64


def make_codes(generator: np.random.Generator, centres: np.ndarray, count: int) -> np.ndarray:
    """Codes around centres: uint8 [count, 8]."""
    flips = np.zeros(count, np.uint64)
    for bit in range(_BITS):
        flips |= (generator.random(count, np.float32) < _FLIPPED.value).astype(np.uint64) << np.uint64(bit)
    codes = centres[generator.integers(0, len(centres), count)] ^ flips
    return codes.view(np.uint8).reshape(count, _BITS // 8)


def seconds(function: Callable[[], object]) -> float:
    """Best of a few repetitions."""
    found = []
    for _ in range(_REPEATS.value):
        started = time.perf_counter()
        function()
        found.append(time.perf_counter() - started)
    return min(found)


def time_of_reading(codes: np.ndarray) -> float:
    """Seconds to read all codes once, by all threads."""
    threads = faiss.omp_get_max_threads()
    parts = np.array_split(codes.reshape(-1).view(np.uint64), threads)
    with ThreadPoolExecutor(threads) as pool:
        return seconds(lambda: list(pool.map(np.sum, parts)))


def count_bits(codes: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """Distances of the nearest, by XOR and counting: int32 [Q, K]."""
    return faiss.knn_hamming(queries, codes, _NUM_NEIGHBORS.value, variant="mc")[0]


def resident_gigabytes() -> float:
    """Memory of this process."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e9


def main(_: list[str]) -> None:
    generator = np.random.default_rng(0)
    centres = generator.integers(0, 2**64, _NUM_CENTRES.value, dtype=np.uint64)
    codes, queries, added = (make_codes(generator, centres, count) for count in (
        _NUM_CODES.value, _NUM_QUERIES.value, _NUM_ADDED.value))
    ids = np.array([b"image%09d" % number for number in range(len(codes) + len(added))])
    flat = CodeIndex(codes, ids[:len(codes)], _BITS)
    bound = time_of_reading(codes)
    scan = seconds(lambda: flat.search(queries, _NUM_NEIGHBORS.value)) / len(queries)
    alone = seconds(lambda: [flat.search(queries[row:row + 1], _NUM_NEIGHBORS.value) for row in range(8)]) / 8
    truth = flat.search(queries, _NUM_NEIGHBORS.value)[1]
    counting = seconds(lambda: count_bits(codes, queries)) / len(queries)
    different = np.sum(count_bits(codes, queries) != truth)
    print(f"{len(codes):,} codes of {_BITS} bits, {faiss.omp_get_max_threads()} threads, "
          f"{_NUM_NEIGHBORS.value} neighbours, whose distances are {np.median(truth[:, 0]):.0f} to "
          f"{np.median(truth[:, -1]):.0f} bits")
    print(f"reading them once {1000 * bound:.2f} ms ({codes.nbytes / bound / 1e9:.1f} GB/s)")
    print(f"scan, batch of {len(queries)}: {1000 * scan:.2f} ms a query, {100 * bound / scan:.0f} % of the "
          f"bound (aim 70); one by one {1000 * alone:.2f} ms, {100 * bound / alone:.0f} %")
    print(f"counting bits: {1000 * counting:.2f} ms a query, {100 * bound / counting:.0f} % of the bound; "
          f"{different} of {truth.size:,} distances differ from the scan's")
    for config in _configs():
        _measure(config, codes, added, ids, queries, truth, scan)


def _configs() -> list[CodeIndexConfig]:
    efforts = {"flat": [{}], "ivf": [{"num_probes": int(value)} for value in _NUM_PROBES.value],
               "hash": [{"num_flips": int(value)} for value in _NUM_FLIPS.value]}
    return [CodeIndexConfig(name, **effort) for name in _INDEX_TYPES.value for effort in efforts[name]]


def _measure(config: CodeIndexConfig, codes: np.ndarray, added: np.ndarray, ids: np.ndarray,
             queries: np.ndarray, truth: np.ndarray, scan: float) -> None:
    before = resident_gigabytes()
    started = time.perf_counter()
    index = CodeIndex(codes, ids[:len(codes)], _BITS, config)
    building = time.perf_counter() - started
    memory = resident_gigabytes() - before
    found = index.search(queries, _NUM_NEIGHBORS.value)[1]
    recall = np.mean((found >= 0) & (found <= truth[:, -1:]))
    searching = seconds(lambda: index.search(queries, _NUM_NEIGHBORS.value)) / len(queries)
    started = time.perf_counter()
    index.add(added, ids[len(codes):])
    adding = time.perf_counter() - started
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        index.save(folder)
        saving = time.perf_counter() - started
        size = sum(os.path.getsize(os.path.join(folder, name)) for name in os.listdir(folder))
        started = time.perf_counter()
        CodeIndex.load(folder).search(queries[:1], 1)
        loading = time.perf_counter() - started
    effort = {"ivf": f", {config.num_probes} probes", "hash": f", {config.num_flips} flips"}
    print(f"{config.index_type}{effort.get(config.index_type, '')}: {1000 * searching:.3f} ms a query, "
          f"{scan / searching:.1f} times as fast as the scan (aim 10) at recall@{_NUM_NEIGHBORS.value} "
          f"{recall:.3f} (aim 0.95); building {building:.1f} s, adding {len(added):,} {adding:.2f} s, saving "
          f"{saving:.1f} s, loading {loading:.1f} s, {memory:.2f} GB of memory, {size / 1e9:.2f} GB of files",
          flush=True)


if __name__ == "__main__":
    command_line.run(main)
