"""What a search reads: whether features and index fit together, and whether its ranking is there already."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from absl import logging

from data_prep.stage import stored_settings
from delg.features.reader import FeatureReader
from delg.features.shards import differing_settings
from delg.index.building import load_index
from delg.index.files import content_digest, read_description
from delg.index.kind import Index
from delg.index.store import DescriptorStore
from delg.scores.ranking import Ranking, read_ranking
from delg.search.query_views import QueriesWithViews
from delg.settings.kinds import GLOBAL_DESCRIPTORS, LOCAL_FEATURES
from delg.settings.search import SearchConfig

_LARGEST_DISTANCE = 0.02  # of unit descriptors that differ by rounding; chosen: ten times that of float16
_ASKED_IMAGES = 16  # of an index of local features, or of descriptors that lie elsewhere; chosen
_OWN_SIMILARITY = 0.8  # that an image has to itself at least, 1 but for rounding; chosen
_LIGHT_SETTINGS = (  # that queries alone may have
    "photometric", "translator", "translation", "relit", "photometric_beside")
_SHARED_SETTINGS = ("fingerprint", "max_image_size", "global_scales", "scale_power", "whitening")


def open_index(index_dir: str, queries: FeatureReader, query_features: str, images: FeatureReader,
               index_features: str) -> tuple[Index, np.ndarray]:
    """An index that goes with the features of a search, and the rows of its images in these: int64 [N].

    Raises:
        FileNotFoundError: there is no index.
        ValueError: not all is of one model, features lack an image of the index or are of others, or there
            are no queries.
    """
    index = load_index(index_dir)
    _check_inputs(queries, query_features, images, index_features, index, index_dir)
    return index, _rows_of_same_images(images, index_features, index, index_dir)


def open_local_index(local_index_dir: str, index: Index, index_dir: str, images: FeatureReader,
                     index_features: str) -> Index:
    """The index of local features that stands beside one of global descriptors.

    Raises:
        FileNotFoundError: there is no index.
        ValueError: it is of another kind, another model or other images, or `index` ranks by local features.
    """
    local_index = load_index(local_index_dir)
    for directory, flag, found, expected in (
            (local_index_dir, "local_index_dir", local_index, LOCAL_FEATURES),
            (index_dir, "index_dir", index, GLOBAL_DESCRIPTORS)):
        if found.ranked_by != expected:
            raise ValueError(f"`{flag}` must be an index of {expected} where both are searched. "
                             f"Received: {directory!r}, of {found.ranked_by}.")
    if local_index.fingerprint != index.fingerprint or set(local_index.ids) != set(index.ids):
        raise ValueError("`local_index_dir` must be of the model and images of `index_dir`. Received: "
                         f"{local_index_dir!r}, {len(local_index)} images of model "
                         f"{local_index.fingerprint!r}, for {len(index)} of {index.fingerprint!r}.")
    _rows_of_same_images(images, index_features, local_index, local_index_dir)
    return local_index


def with_views(queries: FeatureReader, query_features: str, views: FeatureReader,
               query_view_features: str) -> QueriesWithViews:
    """Queries with views of them, described alike.

    Raises:
        ValueError: a query has no view, or views are of another model or setting.
    """
    for setting in differing_settings(queries.config, views.config):
        if setting != "simulated_views":
            ours, theirs = queries.config.get(setting), views.config.get(setting)
            raise ValueError("`query_features` and `query_view_features` must be of one model and setting. "
                             f"Received: {setting}={ours!r} in {query_features!r}, {theirs!r} in "
                             f"{query_view_features!r}.")
    return QueriesWithViews(queries, views)


def _rows_of_same_images(images: FeatureReader, index_features: str, index: Index,
                         index_dir: str) -> np.ndarray:
    rows = _rows_of(index.ids, images, index_features)
    _check_content(images, rows, index_features, index, index_dir)
    return rows


def _check_inputs(queries: FeatureReader, query_features: str, images: FeatureReader, index_features: str,
                 index: Index, index_dir: str) -> None:
    """Raises ValueError unless queries, index features and index are of one model and whitened alike."""
    if not queries.ids:
        raise ValueError(f"`query_features` must hold at least one image. Received: {query_features!r}.")
    different = differing_settings(queries.config, images.config)
    if not set(different).isdisjoint(_LIGHT_SETTINGS):
        logging.warning("Queries were described with %s, index images with %s: compared as they are.",
                        _light_of(queries), _light_of(images))
    for setting in different:
        if setting in _SHARED_SETTINGS:
            ours, theirs = queries.config.get(setting), images.config.get(setting)
            raise ValueError("`query_features` and `index_features` must be of one model and setting. "
                             f"Received: {setting}={ours!r} in {query_features!r}, {theirs!r} in "
                             f"{index_features!r}.")
    fingerprint = images.config.get("fingerprint", "")
    if index.fingerprint != fingerprint:
        raise ValueError("`index_dir` and `index_features` must be of one model. "
                         f"Received: {index_dir!r} of model {index.fingerprint!r}, {index_features!r} of "
                         f"model {fingerprint!r}.")
    indexed = read_description(index_dir)["features"].get("whitening")
    if index.ranked_by == GLOBAL_DESCRIPTORS and indexed != images.config.get("whitening"):
        raise ValueError("`index_dir` and `index_features` must be whitened alike. Received: whitening="
                         f"{indexed!r} in {index_dir!r}, {images.config.get('whitening')!r} in "
                         f"{index_features!r}.")


def _light_of(reader: FeatureReader) -> str:
    """How light and darkness were evened out, as the flags that said so."""
    name, translation = reader.config.get("photometric", "none"), reader.config.get("translation")
    relight = "" if reader.config.get("relit") else " --norelight"
    translated = f" --translation={translation}{relight}" if translation else ""
    beside = " --photometric_beside" if reader.config.get("photometric_beside") else ""
    return f"--photometric={name}{translated}{beside}"


def _check_content(images: FeatureReader, feature_rows: np.ndarray, index_features: str, index: Index,
                  index_dir: str) -> None:
    """Raises ValueError if features of the index's ids are not those that it was built from.

    Descriptors are compared, of some images where they lie elsewhere; where an index has none, the local
    features of some images, most of which have to be what the index holds of them.

    Args:
        images: features of the index images, and maybe of others.
        feature_rows: int, [N], row in the features of each image of the index.
        index_features: where they come from, for the message.
        index: loaded.
        index_dir: where it comes from.
    """
    asked = np.unique(np.linspace(0, len(feature_rows) - 1, _ASKED_IMAGES).astype(int))
    if index.ranked_by == GLOBAL_DESCRIPTORS and index.is_remote:
        found = np.array([images.global_descriptor(feature_rows[row]) for row in asked])
        strangers = asked[_are_far(found, index.descriptors[asked])]
        other = strangers[0] if len(strangers) else None
    elif index.ranked_by == GLOBAL_DESCRIPTORS:
        other = _first_other(DescriptorStore.of(index.descriptors), images, feature_rows)
    else:
        local = [images.local_features(feature_rows[row]).descriptors for row in asked]
        own = index.similarities(local, of_images=True)[np.arange(len(asked)), asked]
        strangers = asked[(own < _OWN_SIMILARITY) & [len(of_image) > 0 for of_image in local]]
        other = strangers[0] if 2 * len(strangers) > len(asked) else None
    if other is not None:
        raise ValueError("`index_features` must be those that `index_dir` was built from. Received: "
                         f"{index_features!r}, in which {index.ids[other]!r} is another image or was "
                         f"extracted in another way than in {index_dir!r}.")


def _first_other(indexed: DescriptorStore, images: FeatureReader, feature_rows: np.ndarray) -> int | None:
    """A row whose indexed descriptor is not that of the features, but for rounding; None: all are."""
    if images.global_dim != indexed.shape[1]:
        return 0
    order = np.argsort(feature_rows)
    for first, descriptors in images.descriptor_blocks():
        rows = order[slice(*np.searchsorted(feature_rows, (first, first + len(descriptors)), sorter=order))]
        found = descriptors[feature_rows[rows] - first]
        far = _are_far(found, indexed[rows])
        if far.any():
            return int(rows[far.argmax()])
    return None


def _are_far(found: np.ndarray, indexed: np.ndarray) -> np.ndarray:
    """Whether descriptors [n, D] are others than unit descriptors [n, D], but for rounding: bool [n]."""
    if found.shape != indexed.shape:
        return np.ones(len(found), bool)
    norms = np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)
    return np.linalg.norm(found / norms - indexed, axis=1) > _LARGEST_DISTANCE


def _rows_of(index_ids: list[str], images: FeatureReader, index_features: str) -> np.ndarray:
    """Row in the features of every image of the index; features may hold more, in another order."""
    missing = [image_id for image_id in index_ids if image_id not in images.row_of]
    if missing:
        raise ValueError("`index_features` must hold every image of the index. Received: "
                         f"{index_features!r}, which lacks {len(missing)} of {len(index_ids)}: "
                         f"{', '.join(missing[:3])}{', ...' if len(missing) > 3 else ''}.")
    return np.array([images.row_of[image_id] for image_id in index_ids], np.int64)


def digest(readers: Sequence[FeatureReader], *index_dirs: str, reranker: str = "") -> str:
    """SHA-256 of what a ranking is made from: indexes, the fingerprint of a re-ranker, and ids, settings and
    global descriptors of all features."""
    indexes = "".join(map(content_digest, map(read_description, index_dirs)))
    digest = hashlib.sha256((indexes + reranker).encode())
    for reader in readers:
        digest.update(json.dumps([reader.ids, reader.config], sort_keys=True).encode())
        for _, descriptors in reader.descriptor_blocks():
            digest.update(np.ascontiguousarray(descriptors))
        digest.update(np.ascontiguousarray(reader.num_local_features))
    return digest.hexdigest()


def finished(output: str, requested: dict[str, Any], inputs: str) -> Ranking | None:
    """The ranking in a file if it was made with these settings from inputs of this digest."""
    try:
        ranking = read_ranking(output)
    except (FileNotFoundError, ValueError):
        return None
    defaults = stored_settings.defaults_of(SearchConfig)
    differs = stored_settings.differences(ranking.config.get("requested", {}), requested, defaults)
    return ranking if ranking.config.get("inputs") == inputs and not differs else None
