"""Learnt whitening of global descriptors: mAP of the global search before and after, by its settings.

    python -m tests.benchmarks.bench_whitening --learn_features='build/other/*.h5' \\
        --query_features='build/real/features/query-*.h5' \\
        --index_features='build/real/features/index-*.h5' --ground_truth=build/real/eval_shards/dataset.json

`--learn_features` are of the same model and other images. `make demo` leaves none: without flags those of
the index itself are taken, which flatters. Prints mAP with its 95 % bootstrap interval and the change on the
same queries; choose no setting by the table of images that are reported on. Seconds.
"""

from __future__ import annotations

import os
import tempfile

import numpy as np
import rich.console
import rich.table
from absl import flags

from data_prep.stage import command_line
from delg.features import whitening as features_whitening
from delg.features.reader import FeatureReader
from delg.scores.ground_truth import load_ground_truth
from delg.settings.whitening import WhiteningConfig
from tests.benchmarks.retrieval_scores import mean_and_interval, score_rows

_LEARN_FEATURES = flags.DEFINE_string(
    "learn_features", "build/demo/features/index-*.h5", "Glob or folder of feature shards to learn from.")
_QUERY_FEATURES = flags.DEFINE_string(
    "query_features", "build/demo/features/query-*.h5", "Glob or folder of feature shards.")
_INDEX_FEATURES = flags.DEFINE_string(
    "index_features", "build/demo/features/index-*.h5", "Glob or folder of feature shards.")
_GROUND_TRUTH = flags.DEFINE_string(
    "ground_truth", "build/demo/eval_shards", "A .mat, .pkl, .json or dataset.json.")
_EXPONENTS = flags.DEFINE_multi_float("exponent", [0.0, 0.25, 0.5, 0.75, 1.0], "Again for another.")
_DIMENSIONS = flags.DEFINE_multi_integer("dimension", [0], "0: all; again for another.")


def main(_: list[str]) -> None:
    truth = load_ground_truth(_GROUND_TRUTH.value)
    with FeatureReader(_QUERY_FEATURES.value) as queries, FeatureReader(_INDEX_FEATURES.value) as images, \
            tempfile.TemporaryDirectory() as folder:
        table = rich.table.Table(title=f"{len(queries.ids)} queries, {len(images.ids)} images, global "
                                       "search; mAP, percent")
        for name in ("whitening", "medium", "change", "hard", "change"):
            table.add_column(name, justify="left" if name == "whitening" else "right")
        plain = None
        settings = [(dimension, exponent) for dimension in _DIMENSIONS.value for exponent in _EXPONENTS.value]
        for setting in (None, *settings):
            one, other = queries.global_descriptors, images.global_descriptors
            if setting is not None:
                config = WhiteningConfig(dimension=setting[0], exponent=setting[1])
                whitening = features_whitening.fit_whitening(
                    _LEARN_FEATURES.value, os.path.join(folder, "whitening.npz"), config)
                one, other = whitening.apply(one), whitening.apply(other)
            scores = score_rows(np.argsort(-one @ other.T, axis=1, kind="stable"), queries, images, truth)
            found = {protocol: scores[protocol].average_precision for protocol in ("medium", "hard")}
            plain = plain or found
            table.add_row(
                "none" if setting is None else f"{other.shape[1]} dimensions, exponent {setting[1]:g}",
                *(cell for protocol, values in found.items() for cell in (
                    mean_and_interval(values), mean_and_interval(values - plain[protocol], "+"))))
    rich.console.Console(width=140).print(table)


if __name__ == "__main__":
    command_line.run(main)
