"""Settings of the report."""

from __future__ import annotations

import dataclasses

from data_prep.stage.settings import check_fields, require, setting


@dataclasses.dataclass(frozen=True)
class ReportConfig:
    """One report."""

    ranking: str = setting(help="ranking.h5 of delg.search_images")
    query_features: str = setting(help="glob of the queries' feature shards")
    index_features: str = setting(help="glob of the index images' feature shards")
    query_images: str = setting(help="glob of the queries' TFRecord shards, or folder of their image files")
    index_images: str = setting(
        help="glob of the index images' TFRecord shards, or folder of their image files")
    output_dir: str = setting(help="folder that the report is written to", written=True)
    ground_truth: str = setting(
        "", help="answers of the queries: .mat, .pkl, .json or dataset.json; empty: nobody knows them, the "
        "page shows what was found")
    metrics: str = setting("", help="metrics.json of delg.evaluate for this ranking; empty: scored anew")
    verdict: str = setting(
        "", help="model of verdicts, of delg.fit_verification, without `ground_truth`; empty: the package's")
    baseline_metrics: str = setting(
        "", help="metrics.json to compare with, such as that of the untrained model; empty: none")
    baseline_name: str = setting("untrained", help="what the baseline is called on the page")
    saved_model: str = setting(
        "", help="exported model that attention maps are drawn with; empty: from the scores of the keypoints")
    num_queries: int = setting(16, help="queries that are shown in full", range="[0, inf)")
    num_successes: int = setting(
        4, help="how many of these are successes; the others are failures", range="[0, inf)")
    num_listed: int = setting(
        200, help="further queries that are shown with their first hits alone, the worst first where there "
        "are answers; their images are held in memory", range="[0, inf)")
    num_hits: int = setting(10, help="images shown of each ranked list", range="[1, inf)")
    title: str = setting("Image retrieval report", help="heading of the page")

    def __post_init__(self):
        check_fields(self)
        require(not (self.verdict and self.ground_truth), "`verdict` goes without `ground_truth`.",
                verdict=self.verdict, ground_truth=self.ground_truth)
        for name in ("metrics", "baseline_metrics"):
            require(not getattr(self, name) or bool(self.ground_truth), f"`{name}` goes with `ground_truth`.",
                    **{name: getattr(self, name), "ground_truth": self.ground_truth})
