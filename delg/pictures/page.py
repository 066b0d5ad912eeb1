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
from delg.pictures import maps
from delg.pictures.maps import PageMap


def render(room: str, template: str, *, title: str, drawn_map: PageMap | None = None, **values: Any) -> str:
    """A template of the folder `templates` of a room filled in.

    It takes `head`, all that stands before the body, with the styles that all reports share and a policy that
    lets nothing in from elsewhere, and `foot`, the scripts that this policy allows, known by their digests.
    Without them tables are not sorted, pictures not opened and no map drawn; all else is the same.

    Args:
        room: dotted name of the package that has the template.
        template: file name.
        title: of the page.
        drawn_map: drawn into the element `map-of-places` of the template; None: there is none.
        **values: what else the template takes.
    """
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    scripts, styles, data = ["report.js"], ["report.css"], ""
    if drawn_map:
        scripts, styles = [*scripts, *maps.SCRIPTS], [*styles, *maps.STYLES]
        data = f'<script id="map-data" type="application/json">{drawn_map.as_json()}</script>'
    texts = [_text("delg.pictures", name) for name in scripts]
    head = environment.from_string(_text("delg.pictures", "head.html.j2")).render(
        title=title, css="\n".join(_text("delg.pictures", name) for name in styles),
        script_sources=" ".join(f"'sha256-{_digest(text)}'" for text in texts),
        tile_origin=drawn_map.tile_origin if drawn_map else "")
    return environment.from_string(_text(room, template)).render(
        title=title, head=head, foot=data + "".join(f"<script>{text}</script>" for text in texts), **values)


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


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
