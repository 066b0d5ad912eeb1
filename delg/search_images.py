"""Rank the index images for every query and verify the first by their geometry.

    python -m delg.search_images --query_features='build/demo/features/query-*.h5' \\
        --index_features='build/demo/features/index-*.h5' --index_dir=build/demo/index \\
        --output=build/demo/ranking.h5

Writes one file with ranks, similarities, inliers and transforms; a finished one of the same inputs and
settings is kept. Verifying takes some 5 ms a pair and processor, so 70 queries times 100 results half a
minute on two; of more than 256 queries, what a killed search has verified is kept, and `--runner` spreads
them over machines that share the folders. `--verifier=paper` runs the recipe of DELG's reference
implementation, some forty times slower. An index of type asmk or binary_asmk ranks by local
features, without re-rankers or `--expand_query`.
`--local_index_dir` sums both: an index of global descriptors, and one of local features of the same images.
`--reranker_model` adds what a re-ranker of delg.train_reranker holds of the first results. All that is given
counts, or what `--evidence=global,asmk,geometry,learnt` names of it.
`--query_images=FOLDER --saved_model=MODEL`, instead of `--query_features`, searches for image files.
`--query_view_features` has queries looked for as they may look from elsewhere, too.
`--index_features` may hold more images than the index. `--rerankers=alpha_qe,diffusion` re-ranks the global
search, in that order, before anything is verified.
"""

from __future__ import annotations

from absl import flags

from data_prep.stage import command_line, config_flags
from data_prep.stage.jobs import JobConfig
from data_prep.stage.settings import require
from delg.settings.search import SearchConfig

_QUERY_FEATURES = flags.DEFINE_string(
    "query_features", "", "Glob or folder of the queries' feature shards.")
_QUERY_IMAGES = flags.DEFINE_string(
    "query_images", "", "Glob or folder of image files to search for, instead of query_features: they are "
    "described as the index images were, in OUTPUT.queries.h5.")
_SAVED_MODEL = flags.DEFINE_string(
    "saved_model", "", "Folder of the model of index_features, for query_images.")
_INDEX_FEATURES = flags.DEFINE_string(
    "index_features", None, "Glob or folder of the index images' feature shards.", required=True)
_INDEX_DIR = flags.DEFINE_string("index_dir", None, "Folder made by delg.build_index.", required=True)
_LOCAL_INDEX_DIR = flags.DEFINE_string(
    "local_index_dir", "", "Folder of delg.build_index with an index of local features of the same images, "
    "whose similarities are added to those of global descriptors. Empty: none.")
_RERANKER_MODEL = flags.DEFINE_string(
    "reranker_model", "", "SavedModel of delg.train_reranker, whose probability that two images show one "
    "landmark is added for the first num_rerank results. Empty: none.")
_QUERY_VIEW_FEATURES = flags.DEFINE_string(
    "query_view_features", "", "Glob or folder of feature shards of views of the queries, of "
    "delg.extract_features --simulated_views: all but verification looks at them too. Empty: none.")
_OUTPUT = config_flags.define_output("output", "The ranking to write, ranking.h5.")
_NUM_WORKERS = flags.DEFINE_integer(
    "num_workers", 0, "Processes that verify. 0: one per processor.", lower_bound=0)
_RUNNER = flags.DEFINE_string(
    "runner", JobConfig.runner, "Where the first results of many queries are verified: embedded, on this "
    "machine, or a Beam runner such as FlinkRunner; folders must then be seen by all workers.")
_RUNNER_OPTIONS = flags.DEFINE_multi_string(
    "runner_options", [], "An option of the Beam runner, such as --flink_master=host:8081; to be repeated.")
_CALIBRATION = flags.DEFINE_string(
    "calibration", "", "File of delg.fit_verification: sets inlier_weight, local_weight, "
    "neighbor_weight, expand_query and min_inliers.")
_search_config = config_flags.define_flags(SearchConfig)


def main(_: list[str]) -> None:
    config = _search_config()
    query_features, query_images = _QUERY_FEATURES.value, _QUERY_IMAGES.value
    require(bool(query_features) != bool(query_images), "Give `query_features` or `query_images`.",
            query_features=query_features, query_images=query_images)
    require(bool(query_images) == bool(_SAVED_MODEL.value), "`query_images` must come with `saved_model`.",
            query_images=query_images, saved_model=_SAVED_MODEL.value)
    from delg.search import calibration, retrieval  # after the settings: FAISS takes its time to load

    if _CALIBRATION.value:
        config = calibration.apply(_CALIBRATION.value, config, _INDEX_FEATURES.value, _INDEX_DIR.value,
                                   _LOCAL_INDEX_DIR.value, _RERANKER_MODEL.value,
                                   bool(_QUERY_VIEW_FEATURES.value))
    if query_images:
        from delg.features.query_files import describe_queries

        query_features = f"{_OUTPUT.value}.queries.h5"
        describe_queries(_SAVED_MODEL.value, query_images, _INDEX_FEATURES.value, query_features)
    ranking = retrieval.search(query_features, _INDEX_FEATURES.value, _INDEX_DIR.value, _OUTPUT.value,
                               config, _NUM_WORKERS.value, _LOCAL_INDEX_DIR.value, _RERANKER_MODEL.value,
                               JobConfig(_RUNNER.value, tuple(_RUNNER_OPTIONS.value)),
                               _QUERY_VIEW_FEATURES.value)
    command_line.finish(
        f"{len(ranking.query_ids)} queries against {len(ranking.index_ids)} images, the first "
        f"{ranking.num_verified} verified with at least {ranking.config['min_inliers']} inliers, "
        f"in {_OUTPUT.value}.",
        f"python -m delg.list_results --ranking={_OUTPUT.value} --output=results.csv" if query_images else
        f"python -m delg.evaluate --ranking={_OUTPUT.value} --ground_truth=SHARDS/dataset.json "
        "--output=metrics.json")


if __name__ == "__main__":
    command_line.run(main)
