"""Writes docs/decisions/README.md: every decision with its date.

    python -m tests.documents.make_decisions
"""

from __future__ import annotations

import re

from tests.documents import sources

HEADER = """# Decisions

Choices that others would ask about: context, choice, what was tried, consequence. Made by `make docs`.
A new one is a file `NNNN-title.md` of the form of those here; numbers are never used again, and a newer
decision says which it replaces.

| number | decision | date |
|---|---|---|
"""
_BEGINNING = re.compile(r"# (\d{4}) (.+)\n\n(\d{4}-\d\d-\d\d)\n\n## Context\n")


def page() -> str:
    """The text of docs/decisions/README.md.

    Raises:
        ValueError: if a decision does not begin with its number, title and date.
    """
    lines = []
    for path in sorted((sources.ROOT / "docs/decisions").glob("[0-9]*.md")):
        match = _BEGINNING.match(path.read_text(encoding="utf-8"))
        if not match or not path.name.startswith(f"{match.group(1)}-"):
            raise ValueError(f"{path.name} must begin with `# NNNN Title`, a date and `## Context`.")
        number, title, date = match.groups()
        lines.append(f"| [{number}]({path.name}) | {title} | {date} |\n")
    return HEADER + "".join(lines)


if __name__ == "__main__":
    (sources.ROOT / "docs/decisions/README.md").write_text(page(), encoding="utf-8")
