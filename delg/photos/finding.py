"""What a folder of photographs shows of some queries: searched, verified, and each hit judged."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterator, Sequence

import numpy as np

from data_prep.images import intake
from data_prep.records.shard_stage import BadImageLimit
from data_prep.stage import files
from data_prep.stage.settings import require
from delg.features.reader import FeatureReader
from delg.features.shard_extraction import UnreadImage, describe_images, extract_shard
from delg.geometry.verdict import query_word
from delg.photos.collection import Collection
from delg.report.judging import judge_hit
from delg.scores.found import ONLY_ALIKE, FoundForQuery, FoundImage
from delg.scores.ranking import Ranking
from delg.search import retrieval
from delg.settings.search import SearchConfig

Box = Sequence[float]  # x1, y1, x2, y2 in pixels


def check_queries(queries: Sequence[str], box: Box = ()) -> None:
    """Raises unless queries are images that can be read, and the box has pixels of them.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if one cannot be decoded, or the box lies outside.
    """
    for path in queries:
        taken = intake.read_image(path)
        require(not len(box) or box[2] > 0 and box[3] > 0 and box[0] < taken.width and box[1] < taken.height,
                f"`box` must have pixels of the query, of {taken.width} x {taken.height}.", box=tuple(box),
                query=path)


@dataclasses.dataclass(frozen=True)
class Findings:
    """What was found, and the features it was found by, while these are open.

    Attributes:
        found: queries in their order.
        ranking: of all queries against all photographs.
        asked, images: features of the queries and of the photographs.
        query_rows, image_rows: path -> row in these.
    """

    found: list[FoundForQuery]
    ranking: Ranking
    asked: FeatureReader
    images: FeatureReader
    query_rows: dict[str, int]
    image_rows: dict[str, int]


@contextlib.contextmanager
def find_images(collection: Collection, queries: Sequence[str], box: Box, num_hits: int,
                config: SearchConfig) -> Iterator[Findings]:
    """The photographs of a collection that are most like each query, the likeliest first.

    A query is not its own hit, whether by its path or by what is in it.

    Args:
        collection: opened.
        queries: paths of images that `check_queries` let pass; none: every photograph of the collection.
        box: x1, y1, x2, y2 in pixels of every query; empty: the whole image.
        num_hits: of each query, at most.
        config: settings of the search; a `min_inliers` of 0 is found once and kept.
    """
    config = dataclasses.replace(config, num_neighbors=max(config.num_rerank, num_hits) + 1,
                                 min_inliers=config.min_inliers or collection.min_inliers)
    with files.temporary_beside(os.path.join(collection.work_dir, "search")) as folder:
        os.mkdir(folder)
        features = collection.features_dir
        if queries:
            features = os.path.join(folder, "queries.h5")
            _describe(collection, queries, box, features)
        ranking = retrieval.search(features, collection.features_dir, collection.index_dir,
                                   os.path.join(folder, "ranking.h5"), config)
        if not config.min_inliers and ranking.num_verified:
            collection.keep_min_inliers(ranking.floor)
        with FeatureReader(features) as asked, FeatureReader(collection.features_dir) as images:
            found = list(_judged(collection, ranking, asked, images, box, num_hits, bool(queries)))
            yield Findings(found, ranking, asked, images,
                           {query.query: row for row, query in enumerate(found)},
                           {collection.path_of(image_id): row for row, image_id in enumerate(images.ids)})


def _describe(collection: Collection, queries: Sequence[str], box: Box, output: str) -> None:
    extract_shard(collection.describer, describe_images(collection.describer, (
        UnreadImage(path, lambda path=path: intake.read_image(path).encoded,
                    np.asarray(box, np.float32) if len(box) else None)
        for path in dict.fromkeys(queries))), output, dict, BadImageLimit(0.0, len(queries)), lambda: None)


def _judged(collection: Collection, ranking: Ranking, asked: FeatureReader, images: FeatureReader, box: Box,
            num_hits: int, is_file: bool) -> Iterator[FoundForQuery]:
    row_of = {image_id: row for row, image_id in enumerate(images.ids)}
    for query, query_id in enumerate(ranking.query_ids):
        path = query_id if is_file else collection.path_of(query_id)
        sha256 = files.sha256_of(path) if is_file else collection.folder.sha256[query_id]
        columns = [column for column, row in enumerate(ranking.ranks[query])
                   if not _is_same_file(collection, ranking.index_ids[row], path, sha256)][:num_hits]
        hits = []
        for rank, column in enumerate(columns, 1):
            image_id = ranking.index_ids[ranking.ranks[query, column]]
            hit = FoundImage(collection.path_of(image_id), rank, float(ranking.similarities[query, column]),
                             int(ranking.num_inliers[query, column]), verdict=ONLY_ALIKE)
            hits.append(judge_hit(hit, ranking, asked, query, images, row_of[image_id], box or None)[0])
        yield FoundForQuery(path, tuple(hits), query_word([hit.verdict for hit in hits]),
                            tuple(map(float, box)) or None)


def _is_same_file(collection: Collection, image_id: str, path: str, sha256: str) -> bool:
    return collection.folder.sha256[image_id] == sha256 or os.path.exists(path) and os.path.samefile(
        collection.path_of(image_id), path)
