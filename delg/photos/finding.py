"""What a folder of photographs shows of some queries: searched, verified, and each hit judged."""

from __future__ import annotations

import dataclasses
import itertools
import os
from collections.abc import Mapping, Sequence

from data_prep.images import intake
from data_prep.sources.formats.image_names import printable
from data_prep.stage import files
from data_prep.stage.settings import require
from delg.features.query_files import describe_files
from delg.features.reader import FeatureReader
from delg.features.shard_merging import merge_shards
from delg.photos.collection import Collection, opened
from delg.places.known import KnownPlaces, known_places
from delg.places.located import located
from delg.report.found_page import DrawnMatch
from delg.report.judging import Judge
from delg.scores.found import ONLY_ALIKE, FoundForQuery, Place
from delg.search import retrieval
from delg.settings.photos import FindConfig, photo_extraction, photo_search
from delg.settings.places import GPS_ALONE, PlacesConfig
from delg.settings.search import SearchConfig

Box = Sequence[float]  # x1, y1, x2, y2 in pixels


def check_queries(queries: Sequence[str], box: Box = ()) -> None:
    """Raises unless queries are images that can be read, and the box has pixels of them.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if one cannot be decoded, or the box lies outside.
    """
    for path in queries:
        if not os.path.isfile(path):
            raise FileNotFoundError("`query` must be an image file. Received: "
                                    f"{printable(path)!r}, which is no file.")
        height, width = intake.read_picture(path).shape[:2]
        require(not len(box) or box[2] > 0 and box[3] > 0 and box[0] < width and box[1] < height,
                f"`box` must have pixels of the query, of {width} x {height}.", box=tuple(box), query=path)


@dataclasses.dataclass(frozen=True)
class Findings:
    """What was found.

    Attributes:
        found: queries in their order.
        matches: by paths of query and hit, what is drawn between them; of the first hits.
        num_images: photographs that were searched.
        images_dir: folder of these.
        tiles: what a map of them is drawn on.
    """

    found: list[FoundForQuery]
    matches: dict[tuple[str, str], DrawnMatch]
    num_images: int
    images_dir: str
    tiles: PlacesConfig = GPS_ALONE


def find_in_folder(images_dir: str, queries: Sequence[str] = (), work_dir: str = "", saved_model: str = "",
                   num_hits: int = 20, places_csv: str = "") -> list[FoundForQuery]:
    """What `delg.find_images` prints: hits with their verdicts, for each query in its order.

    Args:
        images_dir: folder of photographs.
        queries: paths of images; none: every photograph against all others.
        work_dir: kept between calls; empty: `images_dir`.found.
        saved_model: folder of the model; empty: one with nothing trained, made in `work_dir`.
        num_hits: of each query, at most.
        places_csv: table of the places of images, see `delg.settings.places`; empty: GPS data alone.

    Raises:
        as `check_queries`, `collection.opened` and `delg.places.known.known_places`.
    """
    where, places = FindConfig(images_dir, work_dir, saved_model), PlacesConfig(places_csv)
    check_queries(queries)
    with opened(images_dir, where.found_dir, saved_model, photo_extraction()) as photos:
        return find_images(photos, queries, (), num_hits, photo_search(), places=places).found


def find_images(collection: Collection, queries: Sequence[str], box: Box, num_hits: int,
                config: SearchConfig, verdict: str = "",
                places: PlacesConfig = GPS_ALONE) -> Findings:
    """The photographs of a collection that are most like each query, the likeliest first.

    A query is not its own hit, whether by its path or by what is in it.

    Args:
        collection: opened.
        queries: paths of images that `check_queries` let pass; none: every photograph of the collection.
        box: x1, y1, x2, y2 in pixels of every query; empty: the whole image.
        num_hits: of each query, at most.
        config: settings of the search; a `min_inliers` of 0 is found once and kept.
        verdict: path of a model of verdicts; empty: the one of the package.
        places: where those of images come from.

    Raises:
        as `delg.places.known.known_places`.
    """
    known = known_places(places, collection.folder.path_of)
    # Of all against all no more is verified than is shown, beside each photograph itself: hours else.
    num_rerank = config.num_rerank if queries else min(config.num_rerank, num_hits + 1)
    config = dataclasses.replace(config, num_rerank=num_rerank, num_neighbors=max(num_rerank, num_hits) + 1,
                                 min_inliers=config.min_inliers or collection.min_inliers)
    asked_for = {path: files.sha256_of(path) for path in queries}
    with files.temporary_beside(os.path.join(collection.work_dir, "search")) as folder:
        os.mkdir(folder)
        features = collection.features_dir
        if queries:
            features = os.path.join(folder, "queries")
            os.mkdir(features)
            _describe(collection, asked_for, box, features)
        ranking = retrieval.search(features, collection.features_dir, collection.index_dir,
                                   os.path.join(folder, "ranking.h5"), config,
                                   local_index_dir=collection.local_index_dir)
        if not config.min_inliers and ranking.num_verified:
            collection.keep_min_inliers(ranking.floor)
        with FeatureReader(features) as asked, FeatureReader(collection.features_dir) as images:
            judge = Judge(ranking, asked, images, verdict, collection.path_of)
            found = []
            for query_id in asked_for or asked.ids:
                row = asked.row_of[printable(query_id)]
                path = query_id if queries else collection.path_of(query_id)
                sha256 = asked_for[path] if queries else collection.folder.sha256[query_id]
                found_ids = [ranking.index_ids[image] for image in ranking.ranks[row]]
                is_same = [_is_same_file(collection, image_id, path, sha256) for image_id in found_ids]
                columns = [column for column, same in enumerate(is_same) if not same]
                answer = judge.query(row, columns[:num_hits], path, box or None, unverified=ONLY_ALIKE)
                copies = map(collection.path_of, itertools.compress(found_ids, is_same))
                answer = dataclasses.replace(answer, copies=tuple(
                    copy for copy in copies if os.path.abspath(copy) != os.path.abspath(path)))
                found.append(_located(answer, known, collection))
            return Findings(found, judge.matches, len(images), collection.images_dir, places)


def _located(answer: FoundForQuery, known: KnownPlaces, collection: Collection) -> FoundForQuery:
    """What was found with its places; a copy of the query has the query's."""
    def place_of(path: str) -> Place | None:
        return known.of_image(os.path.relpath(path, collection.images_dir), path)

    own = known.in_table(answer.query) or place_of(answer.query)
    return located(answer, own or next(filter(None, map(place_of, answer.copies)), None), place_of)


def _describe(collection: Collection, queries: Mapping[str, str], box: Box, output_dir: str) -> None:
    """Writes the features of the queries, path -> SHA-256: those that the collection has, and new ones."""
    stored = {} if len(box) else {sha256: image_id for image_id, sha256 in collection.folder.sha256.items()}
    known = {path: stored.get(sha256) for path, sha256 in queries.items()}
    of_shard: dict[str, dict[str, str]] = {}
    for path, image_id in known.items():
        if image_id is not None:
            of_shard.setdefault(collection.folder.shard_of[image_id], {})[printable(path)] = image_id
    if of_shard:
        merge_shards(of_shard, os.path.join(output_dir, "known.h5"), {"left_out": []})
    new = {printable(path): path for path, image_id in known.items() if image_id is None}
    if new:
        describe_files(collection.describer, new, os.path.join(output_dir, "new.h5"), box)


def _is_same_file(collection: Collection, image_id: str, path: str, sha256: str) -> bool:
    return collection.folder.sha256[image_id] == sha256 or os.path.exists(path) and os.path.samefile(
        collection.path_of(image_id), path)
