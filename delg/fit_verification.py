"""Choose, on queries with known answers, how much verification may change a ranking.

    python -m delg.fit_verification --ranking=validation/ranking.h5 \\
        --ground_truth=validation/gnd.json --query_features='validation/features/query-*.h5' \\
        --index_features='validation/features/index-*.h5' --output=validation/calibration.json
    python -m delg.search_images --calibration=validation/calibration.json ...

The ranking is one that delg.search_images has verified; what it was sorted by does not matter. Tried are
weights of the inliers, and of local features where they are summed, with and without `expand_query`, above
the floor or half of it, by the mean of Medium and Hard average precision.
"Inliers change nothing" is taken unless the best is better by two standard errors, then the default unless it
is worse than the best by one. Take other landmarks than those you report on. A second.
`--verdict=verdict.json` also fits a model of verdicts: how probable it is that two images show one thing. It
verifies the first twenty results of each query again: about a minute for three hundred queries.
"""

from __future__ import annotations

from absl import flags

from data_prep.stage import command_line, config_flags, files

_RANKING = flags.DEFINE_string("ranking", None, "File made by delg.search_images, verified.", required=True)
_GROUND_TRUTH = flags.DEFINE_string(
    "ground_truth", None, "A .mat, .pkl or .json of revisited form, or dataset.json.", required=True)
_QUERY_FEATURES = flags.DEFINE_string(
    "query_features", None, "Glob or folder of the queries' feature shards.", required=True)
_INDEX_FEATURES = flags.DEFINE_string(
    "index_features", None, "Glob or folder of the index images' feature shards.", required=True)
_OUTPUT = config_flags.define_output("output", "The calibration to write, JSON.")
_VERDICT = config_flags.define_output(
    "verdict", "A model of verdicts to write, fitted on the same results; empty: none is.", required=False)


def main(_: list[str]) -> None:
    import rich.console  # after the flags, as OpenCV takes its time to load
    import rich.table

    from delg.search import calibration, verdict_fitting

    fitted = calibration.fit(_RANKING.value, _GROUND_TRUTH.value, _QUERY_FEATURES.value,
                             _INDEX_FEATURES.value)
    files.write_checked_json(_OUTPUT.value, fitted)
    validation, names = fitted["validation"], [name for name in calibration.CHOSEN_SETTINGS if name in fitted]
    table = rich.table.Table(*names, *calibration.PROTOCOLS, "",
                             title=f"{validation['num_queries']} queries, mAP, percent")
    for row in validation["candidates"]:
        is_chosen = all(row[name] == fitted[name] for name in names)
        table.add_row(*map(str, row.values()), "chosen" if is_chosen else "")
    rich.console.Console().print(table)
    if _VERDICT.value:
        fitted = verdict_fitting.fit(_RANKING.value, _GROUND_TRUTH.value, _QUERY_FEATURES.value,
                                     _INDEX_FEATURES.value)
        files.write_checked_json(_VERDICT.value, fitted)
        print(f"{_VERDICT.value}: " + ", ".join(f"{name} {fitted['fitted_on'][name]}" for name in (
            "num_pairs", "calibration_error", "precision_of_same", "recall_of_same")))
    command_line.finish(f"The choice in {_OUTPUT.value}.", "python -m delg.search_images with "
                        f"--calibration={_OUTPUT.value}, on other queries")


if __name__ == "__main__":
    command_line.run(main)
