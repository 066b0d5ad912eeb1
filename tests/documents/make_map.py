"""Writes docs/map.md, one line per module, from the first lines of the docstrings.

    python -m tests.documents.make_map
"""

from __future__ import annotations

import pathlib

from tests.documents import sources

HEADER = """# Map

Every module in one line: the first line of its docstring. Made by `make docs`; a test compares them.

Scripts stand directly in a package and are run as `python -m PACKAGE.NAME`; everything else lives in rooms,
one concept each. A room uses only rooms below it: `pyproject.toml` lists the floors, `make lint` checks them.
`delg` builds on `data_prep`, `vae` and `hashing` on both. Tests mirror the rooms: `delg/scores/metrics.py` is
tested by `tests/delg/scores/test_metrics.py`.
"""


def page() -> str:
    """The text of docs/map.md."""
    parts = [HEADER]
    for package, about in sources.PACKAGES.items():
        parts.append(f"## {package}\n\n{about}.\n")
        root = sources.ROOT / package
        parts.append(_table("script", _modules(root)))
        for room in sorted(path.parent for path in root.rglob("*/__init__.py") if path.parent != root):
            parts.append(f"### {room.relative_to(sources.ROOT)}\n\n{_first_line(room / '__init__.py')}\n")
            parts.append(_table("module", _modules(room)))
    return "\n".join(parts).rstrip("\n") + "\n"


def _modules(folder: pathlib.Path) -> list[pathlib.Path]:
    return sorted(path for path in folder.glob("*.py") if path.name != "__init__.py")


def _table(head: str, paths: list[pathlib.Path]) -> str:
    lines = [f"| [`{path.stem}`](../{path.relative_to(sources.ROOT)}) | {_first_line(path)} |"
             for path in paths]
    return "\n".join([f"| {head} | |", "|---|---|", *lines]) + "\n" if lines else ""


def _first_line(path: pathlib.Path) -> str:
    module = ".".join(path.relative_to(sources.ROOT).with_suffix("").parts).replace(".__init__", "")
    return sources.first_line(sources.parse(module), module).replace("|", "\\|")


if __name__ == "__main__":
    (sources.ROOT / "docs/map.md").write_text(page(), encoding="utf-8")
