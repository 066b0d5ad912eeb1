"""Score a ranking by the Revisited Oxford/Paris protocols.

    python -m delg.evaluate --ranking=build/demo/ranking.h5 \\
        --ground_truth=build/demo/tfrecords/dataset.json --output=build/demo/metrics.json

Prints mAP with its bootstrap interval and mP@1, 5 and 10, easy, medium and hard, before and after
verification, and writes the same as JSON; about a second.
"""

from __future__ import annotations

import rich.console
from absl import flags

from data_prep import atomic_file, command_line
from delg import evaluation

_RANKING = flags.DEFINE_string("ranking", None, "File made by delg.search_images.", required=True)
_GROUND_TRUTH = flags.DEFINE_string(
    "ground_truth", None, "A .mat, .pkl or .json of revisited form, or dataset.json.", required=True)
_OUTPUT = flags.DEFINE_string("output", None, "The scores to write, metrics.json.", required=True)


def main(_: list[str]) -> None:
    result = evaluation.evaluate(_RANKING.value, _GROUND_TRUTH.value)
    atomic_file.write_json(_OUTPUT.value, result)
    rich.console.Console().print(evaluation.table(result))


if __name__ == "__main__":
    command_line.run(main)
