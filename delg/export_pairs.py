"""Hand the results of a search to hloc or COLMAP: pairs of images, their matches, their geometry.

    python -m delg.export_pairs --ranking=ranking.h5 --output=pairs.txt --num_pairs=20
    python -m delg.export_pairs --ranking=ranking.h5 --output=pairs.txt --verified_only --name_suffix=.jpg \\
        --features='features/*.h5' --matches=matches.h5 --database=database.db

The first form takes seconds: a line `query result` for each of the first results. The second keeps results
with enough inliers, and verifies them once more, as the search did, to write which keypoints agree:
milliseconds a pair.
"""

from __future__ import annotations

from absl import flags

from data_prep.stage import command_line, config_flags

_RANKING = flags.DEFINE_string("ranking", None, "File of delg.search_images.", required=True)
_OUTPUT = config_flags.define_output("output", "File of pairs to write.")
_NUM_PAIRS = flags.DEFINE_integer("num_pairs", 20, "Results per query.")
_VERIFIED_ONLY = flags.DEFINE_boolean("verified_only", False, "Pass over results without enough inliers.")
_NAME_SUFFIX = flags.DEFINE_string("name_suffix", "",
                                   "Put after each id that has no suffix of an image, such as .jpg.")
_FEATURES = flags.DEFINE_string("features", None, "Glob of the shards of queries and index images.")
_MATCHES = config_flags.define_output(
    "matches", "File of hloc matches to write: the inliers of each pair.", required=False)
_DATABASE = config_flags.define_output(
    "database", "COLMAP database to write: all images, and the pairs.", required=False)


def main(_: list[str]) -> None:
    if bool(_FEATURES.value) != bool(_MATCHES.value or _DATABASE.value):
        raise ValueError("`features` goes with `matches` or `database`. Received: "
                         f"features={_FEATURES.value}, matches={_MATCHES.value}, database={_DATABASE.value}.")
    from delg.exchange import (  # after the flags: OpenCV takes its time to load
        conversion,
        hloc,
        ranking_pairs,
    )
    from delg.scores.ranking import read_ranking

    ranking, suffix = read_ranking(_RANKING.value), _NAME_SUFFIX.value
    named = ranking_pairs.pairs_of_ranking(ranking, _NUM_PAIRS.value, _VERIFIED_ONLY.value)
    hloc.write_pairs(_OUTPUT.value, [tuple(conversion.file_name(name, suffix) for name in pair)
                                     for pair in named])  # first: it refuses ids with blanks
    if _MATCHES.value:
        ranking_pairs.write_matches(_MATCHES.value, ranking, named, _FEATURES.value, suffix)
    if _DATABASE.value:
        ranking_pairs.write_database(_DATABASE.value, ranking, named, _FEATURES.value, suffix)
    command_line.finish(f"{len(named)} pairs in {_OUTPUT.value}.", "hand the files to hloc or COLMAP")


if __name__ == "__main__":
    command_line.run(main)
