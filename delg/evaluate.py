"""Score a ranking by the Revisited Oxford/Paris protocols, or predictions by those of Google Landmarks v2.

    python -m delg.evaluate --ranking=build/demo/ranking.h5 \\
        --ground_truth=build/demo/tfrecords/dataset.json --output=build/demo/metrics.json
    python -m delg.evaluate --solution=retrieval_solution_v2.1.csv --predictions=mine.csv --output=scores.json

The first prints mAP with its bootstrap interval and mP@1, 5 and 10, easy, medium and hard, before and after
verification; the second µAP and accuracy, or mAP@100 and precisions, of the public and private part. Both
write the same as JSON; about a second.
"""

from __future__ import annotations

import rich.console
import rich.table
from absl import flags

from data_prep import atomic_file, command_line
from delg import evaluation, gldv2_tables

_RANKING = flags.DEFINE_string("ranking", "", "File made by delg.search_images.")
_GROUND_TRUTH = flags.DEFINE_string(
    "ground_truth", "", "A .mat, .pkl or .json of revisited form, or dataset.json.")
_SOLUTION = flags.DEFINE_string("solution", "", "Google Landmarks v2 solution table, CSV.")
_PREDICTIONS = flags.DEFINE_string("predictions", "", "Predictions for --solution, CSV.")
_OUTPUT = flags.DEFINE_string("output", None, "The scores to write, metrics.json.", required=True)


def main(_: list[str]) -> None:
    ranked, predicted = (_RANKING.value, _GROUND_TRUTH.value), (_SOLUTION.value, _PREDICTIONS.value)
    if all(ranked) and not any(predicted):
        result = evaluation.evaluate(*ranked)
        table = evaluation.table(result)
    elif all(predicted) and not any(ranked):
        result = gldv2_tables.evaluate_tables(*predicted)
        table = rich.table.Table("", *result)
        for name in next(iter(result.values()), {}):
            table.add_row(name, *(f"{scores[name]:.2f}" for scores in result.values()))
    else:
        raise ValueError("Give either --ranking and --ground_truth, or --solution and --predictions. "
                         f"Received: {ranked + predicted}.")
    atomic_file.write_json(_OUTPUT.value, result)
    rich.console.Console().print(table)


if __name__ == "__main__":
    command_line.run(main)
