"""Search in an index of binary codes: from photos or codes to ranked photos, as a table and as pictures."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from data_prep.images import augment, contact_sheet, intake
from data_prep.records.pipeline import read_examples_of
from data_prep.sources.formats.tables import writing_rows
from delg.index.files import changing, read_description
from delg.pictures.drawing import decode
from hashing.codes.code_shards import EncodedImages, read_codes
from hashing.codes.encoding import Encoder
from hashing.index.code_index import CodeIndex
from hashing.index.config import CodeIndexConfig
from hashing.index.rescoring import Scorer


class Ranking(NamedTuple):
    """What a search found."""

    query_ids: list[str]
    results: list[list[tuple[str, int]]]  # of each query: image id and distance in bits, nearest first
    scores: list[list[float]] | None = None  # of the results, where these put them in order: descending


def build_index(codes: str, index_dir: str, config: CodeIndexConfig, num_bits: int = 0) -> CodeIndex:
    """An index of the codes of shards, written to a folder.

    Args:
        codes: folder or glob of code shards.
        index_dir: made where it does not exist; an index that is there is replaced.
        config: how neighbours are found.
        num_bits: the first bits of the codes, of a length that their model was trained at; 0: all.

    Raises:
        FileNotFoundError: no shard matches.
        ValueError: shards do not belong together, or their codes cannot be cut to `num_bits`.
        OSError: another process is changing the index in this folder.
    """
    images = read_codes(codes).cut(num_bits)
    index = CodeIndex(images.packed_codes, images.ids, images.code_size, config,
                      images.config["fingerprint"])
    with changing(index_dir):
        index.save(index_dir)
    return index


def add_to_index(codes: str, index_dir: str) -> CodeIndex:
    """Adds the codes of shards to an index in a folder, cut to the bits of its own.

    It stays as it is if they do not belong.

    Raises:
        FileNotFoundError: no shard matches, or there is no index.
        ValueError: codes of another model or that cannot be cut so, or ids that the index has.
        OSError: another process is changing the index.
    """
    images = read_codes(codes)
    read_description(index_dir)  # the lock makes the folder, which a wrong name should not
    with changing(index_dir):
        index = CodeIndex.load(index_dir)
        check_model(images.config["fingerprint"], index, codes)
        index.add(images.cut(index.code_size).packed_codes, images.ids)
        index.save(index_dir)
    return index


def check_model(fingerprint: str, index: CodeIndex, source: str) -> None:
    """Refuses codes of another model than the index's."""
    if fingerprint != index.fingerprint:
        raise ValueError(f"Codes must be of the model of the index, {index.fingerprint[:12]}. "
                         f"Received: {source} of {fingerprint[:12]}.")


def encode_photos(encoder: Encoder, paths: Sequence[str]) -> EncodedImages:
    """Codes of image files; their ids are the paths.

    Raises:
        FileNotFoundError: a file does not exist.
        ValueError: one cannot be decoded.
    """
    packed, values, features = encoder.encode(np.stack([
        encoder.prepare(intake.read_image(path).encoded) for path in paths]))
    return EncodedImages(list(paths), np.full(len(paths), -1, np.int32), packed, values, features,
                         {"fingerprint": encoder.fingerprint, "code_size": encoder.code_size,
                          "prefix_sizes": list(encoder.prefix_sizes)})


def search(index: CodeIndex, queries: EncodedImages, num_neighbors: int, scorer: Scorer | None = None,
           num_candidates: int = 0) -> Ranking:
    """The nearest images of every query, whose codes are cut to the bits of the index.

    Args:
        index: of codes.
        queries: of the same model.
        num_neighbors: results of a query.
        scorer: puts the nearest by Hamming distance in order; None: they stay as they are.
        num_candidates: how many of these, where there is a scorer.

    Raises:
        ValueError: as the index and the scorer, or codes cannot be cut so.
    """
    queries = queries.cut(index.code_size)
    if scorer is None:
        rows, distances = index.search(queries.packed_codes, num_neighbors)
        return _ranking(index, queries, rows, distances)
    rows, distances = index.search(queries.packed_codes, max(num_neighbors, num_candidates))
    scores = np.where(rows < 0, -np.inf, scorer(queries, rows))
    order = np.argsort(-scores, axis=1, kind="stable")[:, :num_neighbors]
    return _ranking(index, queries, *(np.take_along_axis(array, order, 1)
                                      for array in (rows, distances, scores)))


def _ranking(index: CodeIndex, queries: EncodedImages, rows: np.ndarray, distances: np.ndarray,
             scores: np.ndarray | None = None) -> Ranking:
    found = rows >= 0
    results = [list(zip(index.ids(row[kept]), distance[kept].tolist()))
               for row, distance, kept in zip(rows, distances, found)]
    return Ranking(queries.ids, results, None if scores is None else [
        score[kept].tolist() for score, kept in zip(scores, found)])


def write_ranking(path: str, ranking: Ranking) -> None:
    """Writes a table with the columns query, rank (from 1), id, distance (bits) and, where results have
    them, score, whole or not at all."""
    with writing_rows(path) as writer:
        writer.writerow(("query", "rank", "id", "distance", *([] if ranking.scores is None else ["score"])))
        for row, (query, results) in enumerate(zip(ranking.query_ids, ranking.results)):
            for rank, (image_id, distance) in enumerate(results, 1):
                score = [] if ranking.scores is None else [f"{ranking.scores[row][rank - 1]:.6g}"]
                writer.writerow((query, rank, image_id, distance, *score))


def draw_ranking(path: str, ranking: Ranking, index_images: str, query_images: str = "",
                 max_queries: int = 10) -> None:
    """Writes a contact sheet: a row per query, itself first, then what was found.

    Args:
        path: of the PNG.
        ranking: from `search`.
        index_images: glob of the TFRecord shards that hold the index images.
        query_images: the same of the queries; empty: query ids are paths of image files.
        max_queries: rows drawn; the first.

    Raises:
        FileNotFoundError: no shard matches.
        ValueError: the shards lack an image.
    """
    queries, results = ranking.query_ids[:max_queries], ranking.results[:max_queries]
    found = {image_id for row in results for image_id, _ in row}
    examples = {image_id: decode(example) for image_id, example in
                read_examples_of(index_images, found, "index_images").items()}
    if query_images:
        asked = {image_id: decode(example) for image_id, example in
                 read_examples_of(query_images, set(queries), "query_images").items()}
    else:
        asked = {query: augment.decode_image(intake.read_image(query).encoded).numpy() for query in queries}
    rows = [contact_sheet.Row("", [
        contact_sheet.Cell(asked[query], os.path.basename(query), "query", frame="#1f56c4"),
        *(contact_sheet.Cell(examples[image_id], image_id, f"#{rank}, {distance} bits")
          for rank, (image_id, distance) in enumerate(row, 1))]) for query, row in zip(queries, results)]
    contact_sheet.draw(path, [contact_sheet.Section("Nearest by Hamming distance", "", rows)])
