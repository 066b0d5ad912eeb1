"""Settings of the report."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class ReportConfig:
    """One report."""

    ranking: str  # ranking.h5 of delg.search_images
    ground_truth: str  # .mat, .pkl, .json or dataset.json
    metrics: str  # metrics.json of delg.evaluate for this ranking
    query_features: str  # glob of the queries' feature shards
    index_features: str  # glob of the index's feature shards
    query_images: str  # glob of the queries' TFRecord shards
    index_images: str  # glob of the index's TFRecord shards
    output_dir: str  # folder of the report
    baseline_metrics: str = ""  # metrics.json to compare with, such as that of the untrained model
    baseline_name: str = "untrained"  # what the baseline is called on the page
    saved_model: str = ""  # model that attention maps are drawn with; empty: from the keypoints' scores
    num_queries: int = 16  # queries shown in full
    num_successes: int = 4  # how many of these are successes; the others are failures
    num_hits: int = 10  # images per ranked list
    title: str = "Image retrieval report"  # heading of the page

    def __post_init__(self):
        for name in ("num_queries", "num_successes"):
            if getattr(self, name) < 0:
                raise ValueError(f"`{name}` must not be negative. Received: {name}={getattr(self, name)}.")
        if self.num_hits < 1:
            raise ValueError(f"`num_hits` must be at least 1. Received: num_hits={self.num_hits}.")
