"""What was found as a page of pictures: each query, its hits, and the matches between them."""

from __future__ import annotations

import os

from data_prep.images.intake import read_picture
from delg.photos.finding import Findings
from delg.report.found_page import NUM_LARGE, Views, write_found_page

_MANY = 50  # queries, from which on one hit of each is large at most, and only if it is the same; chosen


def write_html(path: str, findings: Findings) -> None:
    """Writes the page, which needs no other file but, where there are many pictures, a folder of them."""
    views = Views(lambda query: read_picture(query.query), lambda hit: read_picture(hit.image),
                  lambda query, hit: findings.matches.get((query.query, hit.image)),
                  lambda image: os.path.relpath(image, findings.images_dir))
    are_many = len(findings.found) > _MANY
    write_found_page(path, findings.found, views, 1 if are_many else NUM_LARGE, only_same=are_many,
                     note=f"Sought among {findings.num_images} photographs.", tiles=findings.tiles)
