"""A page that needs no other file: templates and styles of a room, written whole as index.html."""

from __future__ import annotations

import os
from importlib import resources
from typing import Any

import jinja2
from absl import logging

from data_prep.sources.formats.image_names import printable
from data_prep.stage import files


def render(room: str, template: str, **values: Any) -> str:
    """A template of the folder `templates` of a room filled in; `css` is the style that all reports share."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    css = _text("delg.pictures", "report.css")
    return environment.from_string(_text(room, template)).render(css=css, **values)


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
