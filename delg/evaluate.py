"""Score a ranking by the Revisited Oxford/Paris protocols, a ranking or predictions by Google Landmarks v2.

    python -m delg.evaluate --ranking=build/demo/ranking.h5 \\
        --ground_truth=build/demo/eval_shards/dataset.json --output=build/demo/metrics.json
    python -m delg.evaluate --predictions=mine.csv --solution=solution_v2.1.csv --output=scores.json
    python -m delg.evaluate --ranking=ranking.h5 --solution=test_shards/dataset.json --output=scores.json

The first prints mAP with its bootstrap interval and mP@1, 5 and 10, easy, medium and hard, before and after
verification; the second µAP and accuracy, or mAP@100 and precisions, of the public and private part; the
third the scores of retrieval before and after verification. All write the same as JSON; about a second, ten
for results of the 118,000 test images of Google Landmarks v2.
"""

from __future__ import annotations

from absl import flags

from data_prep.stage import command_line, config_flags, files

_RANKING = flags.DEFINE_string("ranking", "", "File made by delg.search_images.")
_GROUND_TRUTH = flags.DEFINE_string(
    "ground_truth", "", "For --ranking: a .mat, .pkl or .json of revisited form, or dataset.json.")
_SOLUTION = flags.DEFINE_string(
    "solution", "", "For --predictions or --ranking: Google Landmarks v2 solution table, CSV, or the "
    "dataset.json of test shards that were built with it.")
_PREDICTIONS = flags.DEFINE_string(
    "predictions", "", "CSV as the Google Landmarks competitions take it: id,landmarks or id,images.")
_OUTPUT = config_flags.define_output("output", "The scores to write, metrics.json.")


def main(_: list[str]) -> None:
    given = {flag.name: flag.value for flag in (_RANKING, _PREDICTIONS, _GROUND_TRUTH, _SOLUTION)
             if flag.value}
    import rich.console  # after the flags, as numpy and HDF5 take their time to load

    from delg.scores import evaluation
    from delg.scores.gldv2 import scores

    if tuple(given) == ("ranking", "ground_truth"):
        result = evaluation.evaluate(_RANKING.value, _GROUND_TRUTH.value)
        table = evaluation.table(result)
    elif tuple(given) in (("ranking", "solution"), ("predictions", "solution")):
        score = scores.score_ranking if _RANKING.value else scores.score_predictions
        result = score(_SOLUTION.value, _RANKING.value or _PREDICTIONS.value)
        table = scores.table(result)
    else:
        raise ValueError("Give --ranking and --ground_truth, --ranking and --solution, or --predictions and "
                         f"--solution. Received: {', '.join(given) or 'none of them'}.")
    files.write_json(_OUTPUT.value, result)
    rich.console.Console().print(table)
    command_line.finish(f"All scores in {_OUTPUT.value}.",
                        f"python -m delg.make_report --ranking={_RANKING.value} --metrics={_OUTPUT.value} ..."
                        if _GROUND_TRUTH.value else "")


if __name__ == "__main__":
    command_line.run(main)
