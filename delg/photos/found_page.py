"""What was found as a page of pictures: each query, its hits, and the matches between them."""

from __future__ import annotations

import numpy as np

from delg.features.preparing import pixels_of
from delg.photos.finding import Findings
from delg.report.found_page import DrawnMatch, Views, write_found_page
from delg.report.judging import judge_hit
from delg.scores.found import FoundForQuery, FoundImage


def write_html(path: str, findings: Findings) -> None:
    """Writes the page, which needs no other file but, where there are many pictures, a folder of them."""
    def match(query: FoundForQuery, hit: FoundImage) -> DrawnMatch | None:
        return judge_hit(hit, findings.ranking, findings.asked, findings.query_rows[query.query],
                         findings.images, findings.image_rows[hit.image], query.box)[1]

    write_found_page(path, findings.found, Views(_query_pixels, _image_pixels, match),
                     note=f"Sought among {len(findings.images)} photographs.")


def _query_pixels(query: FoundForQuery) -> np.ndarray:
    return pixels_of(query.query)


def _image_pixels(hit: FoundImage) -> np.ndarray:
    return pixels_of(hit.image)
