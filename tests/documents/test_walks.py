"""Every command of README.md and of the guides runs, in the order in which it stands there; notebooks too."""

import dataclasses
import functools
import importlib.util
import json
import os
import pathlib
import re
import tempfile
import unittest
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple
from unittest import mock

from data_prep.downloads.public_sets import PUBLIC_SETS
from tests.documents import given, sources, walks
from tests.fixtures import http_server, tiny_trainings


def _code_of(notebook: pathlib.Path) -> str:
    """The code of all cells, in their order, as one block of a page."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    return f"```python\n{code}\n```\n"


_PAGES = {path.stem.lower(): path.read_text(encoding="utf-8")
          for path in (sources.ROOT / "README.md", *sources.ROOT.glob("docs/guides/*.md"))}
_PAGES.update({path.stem: _code_of(path) for path in sources.ROOT.glob("docs/guides/*.ipynb")})


class _Page(NamedTuple):
    """What a page needs beside its commands."""

    given: Callable[[], None] = lambda: None
    replaced: Mapping[str, str] = {}
    meanwhile: Mapping[str, Callable[[], None]] = {}
    then: str = ""  # the page that goes on with what this one made
    package: str = ""  # without which its commands cannot run


_NEEDS = {
    "readme": _Page(given.photographs_and_model),
    "photos": _Page(given.photographs_and_model, {
        "val.h5": "ranking.h5", "val/dataset.json": "gnd.json", "val/query-*": "features/*",
        "val/index-*": "features/*", "--remove_ids=a,b": "--remove_ids=tower/1"},
        {"delg.update_index": given.features_of_others, "delg.evaluate": given.truth_of_features}),
    "photographs": _Page(functools.partial(given.photographs_and_model, "saved_model")),
    "sets": _Page(given.list_of_photographs),
    "gldv2": _Page(given.overlap, {"--validation_fraction=0.02": "--validation_fraction=0.2"},
                   then="roxford"),
    "exchange": _Page(given.ranking),
    "large_indexes": _Page(given.features_to_index, {"/data/found.db": "found.db"},
                           package="milvus_lite"),
    "codes": _Page(given.photographs, {"photo.jpg": "A.jpg"}),
    "day_night": _Page(given.day_night),
    "serving": _Page(given.photographs_served, {"127.0.0.1:8000": given.SERVED_AT}),
}


def setUpModule():
    tiny_trainings.use()
    unchecked = {name: dataclasses.replace(PUBLIC_SETS[name], files=tuple(
        dataclasses.replace(file, size=None, md5=None, sha256=None) for file in PUBLIC_SETS[name].files))
        for name in ("cub", "dogs")}
    patch = mock.patch.dict(PUBLIC_SETS, unchecked)
    patch.start()
    unittest.addModuleCleanup(patch.stop)


class _PageTest(unittest.TestCase):
    """A page and those that go on with it: a test for each step, which first takes those left before it."""

    @classmethod
    def setUpClass(cls):
        server = http_server.FaultyServer()
        cls.addClassCleanup(server.stop)
        server.files = given.published()
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.addClassCleanup(os.chdir, os.getcwd())
        os.chdir(folder.name)
        cls.server, cls.taken = server, 0

    def take_up_to(self, number: int) -> None:
        for _, step in self.steps[self.taken:number + 1]:
            type(self).taken += 1
            step(self.server.url)


def _steps(page: str) -> Iterator[tuple[str, Callable[[str], None]]]:
    """Names of what is done for a page and of its commands, and functions of a server's address."""
    needs = _NEEDS.get(page, _Page())
    walk = walks.Walk(_PAGES[page], needs.replaced, needs.meanwhile)
    yield f"{page}_given", lambda _: needs.given()
    for step in walk.steps:
        yield step.program.replace(".", "_"), functools.partial(walk.take, step)
    if needs.then:
        yield from _steps(needs.then)


def _test_of(page: str) -> type[unittest.TestCase]:
    steps = list(_steps(page))
    tests = {f"test_{number:02}_{name}": lambda self, number=number: self.take_up_to(number)
             for number, (name, _) in enumerate(steps)}
    made = type(f"{page.title().replace('_', '')}Test", (_PageTest,), {"steps": steps, **tests})
    package = _NEEDS.get(page, _Page()).package
    is_here = not package or importlib.util.find_spec(package)
    return made if is_here else unittest.skip(f"{package} is not installed")(made)


for _page in sorted(_PAGES.keys() - {page.then for page in _NEEDS.values()}):
    globals()[f"{_page}_test"] = _test_of(_page)


class WalksTest(unittest.TestCase):
    def test_what_is_not_run_or_added_to_stands_in_a_page(self):
        steps = [str(step) for text in _PAGES.values() for step in walks.steps_of(text)]
        idle = [pattern for pattern in (*walks.NOT_RUN, *map(re.escape, walks.ADDED))
                if not any(re.search(pattern, step) for step in steps)]
        self.assertEqual(idle, [])

    def test_commands_are_what_bash_makes_of_them(self):
        text = "```\nfor x in 1 2; do X=3 python -m a.b --c=\"$x d-*\" \\\n  ...; done  # w\nmake e F=g\n```"
        self.assertEqual([*map(str, walks.steps_of(text))],
                         ["a.b --c=1 d-* ...", "a.b --c=2 d-* ...", "make e F=g"])

    def test_a_command_that_fails_is_named_with_its_message(self):
        with self.assertRaisesRegex(AssertionError, "(?s)delg.evaluate --output=x.*Give --ranking"):
            walk = walks.Walk("```\npython -m delg.evaluate --output=x\n```\n")
            walk.take(*walk.steps)

    def test_a_text_that_is_to_be_replaced_stands_in_the_page(self):
        with self.assertRaisesRegex(AssertionError, "no 'b.h5'"):
            walks.Walk("```\nmake test\n```\n", replaced={"b.h5": "c.h5"})


if __name__ == "__main__":
    unittest.main()
