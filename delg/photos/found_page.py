"""What was found as a page of pictures: each query, its hits, and the matches between them."""

from __future__ import annotations

from data_prep.images.intake import read_picture
from delg.photos.finding import Findings
from delg.report.found_page import Views, write_found_page


def write_html(path: str, findings: Findings) -> None:
    """Writes the page, which needs no other file but, where there are many pictures, a folder of them."""
    views = Views(lambda query: read_picture(query.query), lambda hit: read_picture(hit.image),
                  lambda query, hit: findings.matches.get((query.query, hit.image)))
    write_found_page(path, findings.found, views, note=f"Sought among {findings.num_images} photographs.")
