"""Links between the documents lead somewhere, and the files they name exist."""

import re
import unittest

from tests.documents import commands, sources

_LINK = re.compile(r"\]\(([^)#\s]*)(#[^)\s]*)?\)")
_PATH = re.compile(r"`((?:data_prep|delg|vae|hashing|tests|docs|\.ci)/[\w./-]*)`")

_SOURCE = re.compile(r"(?<![\w/])((?:data_prep|delg|vae|hashing|tests|docs|specs)/[\w./-]*\.(?:py|md))\b")


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


class LinksTest(unittest.TestCase):
    def setUp(self):
        self.pages = {path: path.read_text(encoding="utf-8") for path in commands.documents()}

    def test_links_lead_to_files_and_headings(self):
        dead = []
        for page, text in self.pages.items():
            for target, anchor in _LINK.findall(text):
                path = (page.parent / target).resolve() if target else page
                if "://" not in target and not (path.exists() and (
                        not anchor or anchor[1:] in anchors(path.read_text(encoding="utf-8")))):
                    dead.append(f"{page.relative_to(sources.ROOT)}: {target}{anchor}")
        self.assertEqual(dead, [])

    def test_named_files_exist(self):
        missing = [f"{page.relative_to(sources.ROOT)}: {name}" for page, text in self.pages.items()
                   if page.parent.name != "extending"  # where examples are made up
                   for name in _PATH.findall(text) if not (sources.ROOT / name).exists()]
        self.assertEqual(missing, [])

    def test_docstrings_and_comments_name_files_that_exist(self):
        missing = [f"{path.relative_to(sources.ROOT)}: {name}" for package in sources.PACKAGES
                   for path in (sources.ROOT / package).rglob("*.py")
                   for name in _SOURCE.findall(path.read_text(encoding="utf-8"))
                   if not (sources.ROOT / name).exists()]
        self.assertEqual(missing, [])

    def test_every_page_of_docs_is_linked_from_another(self):
        linked = {(page.parent / target).resolve() for page, text in self.pages.items()
                  for target, _ in _LINK.findall(text) if target}
        linked |= {sources.ROOT / name for text in self.pages.values() for name in _PATH.findall(text)}
        unlinked = [str(page.relative_to(sources.ROOT)) for page in self.pages
                    if sources.ROOT / "docs" in page.parents and page not in linked
                    and page.parent.name != "extending"]  # its index names the kinds
        self.assertEqual(unlinked, [])

    def test_pages_of_entry_are_short(self):
        self.assertLessEqual(len((sources.ROOT / "README.md").read_bytes()), 6 * 1024)
        self.assertLessEqual(len((sources.ROOT / "BUILD_NOTES.md").read_bytes()), 4 * 1024)
