"""A page that needs no other file: templates and styles of a room, written whole as index.html."""

from __future__ import annotations

import base64
import hashlib
import os
from importlib import resources
from typing import Any

import jinja2
from absl import logging

from data_prep.sources.formats.image_names import printable
from data_prep.stage import files


def render(room: str, template: str, *, title: str, **values: Any) -> str:
    """A template of the folder `templates` of a room filled in.

    It takes `head`, all that stands before the body, with the styles that all reports share and a policy that
    lets nothing in from elsewhere, and `foot`, the one script that this policy allows, known by its digest.
    Without it tables are not sorted and pictures not opened; all else is the same.

    Args:
        room: dotted name of the package that has the template.
        template: file name.
        title: of the page.
        **values: what else the template takes.
    """
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    script = _text("delg.pictures", "report.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    head = environment.from_string(_text("delg.pictures", "head.html.j2")).render(
        title=title, css=_text("delg.pictures", "report.css"), script_hash=f"sha256-{digest}")
    return environment.from_string(_text(room, template)).render(
        title=title, head=head, foot=f"<script>{script}</script>", **values)


def _text(room: str, name: str) -> str:
    return resources.files(room).joinpath("templates", name).read_text(encoding="utf-8")


def write_page(output_dir: str, page: str) -> str:
    """Writes `<output_dir>/index.html` and returns its path."""
    return write_page_file(os.path.join(output_dir, "index.html"), page)


def write_page_file(path: str, page: str) -> str:
    """Writes a page under any name, whole or not at all, its words made printable, and returns its path."""
    with files.replacing(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        file.write(printable(page))
    logging.info("Wrote %s, %.1f MB.", path, os.path.getsize(path) / 1e6)
    return path
