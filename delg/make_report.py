"""Make a page that shows how good a search is: one HTML file, to be opened without a server.

    python -m delg.make_report --ranking=build/demo/ranking.h5 --metrics=build/demo/metrics.json \\
        --ground_truth=build/demo/eval_shards/dataset.json \\
        --baseline_metrics=build/demo/untrained_metrics.json \\
        --query_features='build/demo/features/query-*' --index_features='build/demo/features/index-*' \\
        --query_images='build/demo/eval_shards/query-*' --index_images='build/demo/eval_shards/index-*' \\
        --saved_model=build/demo/saved_model --output_dir=build/demo/report

Writes report/index.html, below 15 MB: scores, precision-recall curves, the failures first and a few successes
with ranked lists, matched keypoints and attention maps, and every other query (--num_listed) with its first
hits; pictures beyond 15 MB are put in a folder beside the page. Tables are sorted and pictures open large on
a click; metrics.json and queries.csv can be saved from it. Some 10 s, most of it loading TensorFlow.

Without --ground_truth the page shows what was found: ranked lists, matched keypoints for the first queries,
where the query, or its box, lies in each hit, and, where places are known (--places_csv, or GPS data in the
images), a map.
"""

from __future__ import annotations

from data_prep.stage import command_line, config_flags
from delg.settings.places import PlacesConfig
from delg.settings.report import ReportConfig

_report_config = config_flags.define_flags(ReportConfig)
_places_config = config_flags.define_flags(PlacesConfig)


def main(_) -> None:
    config, places = _report_config(), _places_config()
    from delg.report import page  # after the settings: TensorFlow takes seconds to load

    path = page.make_report(config, places)
    command_line.finish(f"The page is {path}.", "open it in a browser")


if __name__ == "__main__":
    command_line.run(main)
