"""List the results of every query: the retrieval CSV of Google Landmarks.

    python -m delg.list_results --ranking=ranking.h5 --output=retrieval.csv
    python -m delg.evaluate --predictions=retrieval.csv \\
        --solution=retrieval_solution_v2.1.csv --output=scores.json

Writes `id,images` with the ids of the first 100 index images of every query, best first, in the final order
of delg.search_images: verified and re-ranked where that was asked for. Seconds.
"""

from __future__ import annotations

from absl import flags

from data_prep.stage import command_line, config_flags
from delg.settings.recognition import NUM_RESULTS

_RANKING = flags.DEFINE_string("ranking", None, "File made by delg.search_images, test images against the "
                               "index.", required=True)
_NUM_RESULTS = flags.DEFINE_integer("num_results", NUM_RESULTS, "Results listed per query.",
                                    lower_bound=1)
_TEST_CSV = flags.DEFINE_string("test_csv", "", "Table with a column id: all test images, in the order to "
                                "write; those without features are left blank.")
_OUTPUT = config_flags.define_output("output", "The results to write, CSV.")


def main(_: list[str]) -> None:
    from delg.recognition import predictions  # after the flags: pandas takes its time to load
    from delg.scores import ranking
    from delg.scores.gldv2 import tables

    results = predictions.first_results(ranking.read_ranking(_RANKING.value), _NUM_RESULTS.value)
    if _TEST_CSV.value:
        results = predictions.for_all_test_images(results, _TEST_CSV.value, ())
    tables.write_retrieval(_OUTPUT.value, results)
    command_line.finish(f"Results of {len(results)} test images in {_OUTPUT.value}.",
                        f"python -m delg.evaluate --ranking={_RANKING.value} --solution=SOLUTION_CSV "
                        "--output=metrics.json")


if __name__ == "__main__":
    command_line.run(main)
