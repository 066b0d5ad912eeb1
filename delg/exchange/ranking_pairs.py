"""Image pairs of a ranking, for systems that match or reconstruct what was retrieved."""

from __future__ import annotations

from delg.exchange import conversion
from delg.features.ranked import refuse_other_images
from delg.features.reader import FeatureReader
from delg.scores.ranking import Ranking


def pairs_of_ranking(ranking: Ranking, num_pairs: int, verified_only: bool = False) -> list[tuple[str, str]]:
    """The first results of every query, as (query id, index id), best first.

    An image is not paired with itself, and two images only once, whichever of them was the query.

    Args:
        ranking: as read from its file.
        num_pairs: results taken per query, those that are pairs already included.
        verified_only: whether to pass over results without enough inliers.

    Raises:
        ValueError: if `num_pairs` is not positive, or nothing was verified that should have been.
    """
    if num_pairs < 1:
        raise ValueError(f"`num_pairs` must be positive. Received: num_pairs={num_pairs}.")
    if verified_only and not ranking.num_verified:
        raise ValueError("`verified_only` needs a ranking whose first results were verified. "
                         "Received: one of the global search alone.")
    pairs, known = [], set()
    for query, query_id in enumerate(ranking.query_ids):
        found = [ranking.index_ids[row] for row, num_inliers in zip(ranking.ranks[query],
                                                                    ranking.num_inliers[query])
                 if not verified_only or num_inliers >= ranking.floor]
        for index_id in [image_id for image_id in found if image_id != query_id][:num_pairs]:
            if frozenset((query_id, index_id)) not in known:
                known.add(frozenset((query_id, index_id)))
                pairs.append((query_id, index_id))
    return pairs


def write_matches(path: str, ranking: Ranking, named: list[tuple[str, str]], features: str,
                  suffix: str = "") -> int:
    """Writes the inliers of pairs as a matches file of hloc, by the settings of the search; returns how many.

    Args:
        path: of the file, replaced if there.
        ranking: where the settings come from.
        named: pairs of ids.
        features: glob of the shards of queries and index images.
        suffix: comes after the ids.

    Raises:
        ValueError: if an image has no features, or they are of another model or other images.
    """
    _check_features(ranking, features)
    return conversion.write_hloc_matches(path, features, named, ranking.search_config, suffix,
                                                 inliers_only=True)


def write_database(path: str, ranking: Ranking, named: list[tuple[str, str]], features: str,
                   suffix: str = "") -> int:
    """Writes a COLMAP database of all images and the matches and geometries of pairs; as `write_matches`."""
    _check_features(ranking, features)
    images = conversion.with_suffix(conversion.read_images(features, "shards"), suffix)
    with FeatureReader(features) as reader:
        return conversion.write_colmap(path, images, conversion.match_pairs(
            reader, named, ranking.search_config, suffix))


def _check_features(ranking: Ranking, features: str) -> None:
    with FeatureReader(features) as reader:
        model = reader.config.get("fingerprint", "")
        if model != ranking.config["fingerprint"]:
            raise ValueError("`features` must be of the model that `ranking` was made with, "
                             f"{ranking.config['fingerprint']!r}. Received: {features!r} of model {model!r}.")
        refuse_other_images(ranking, reader, reader)
