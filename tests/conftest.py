"""What holds for every test of a run."""

import importlib
import sys
import unittest
from collections.abc import Iterator

import pytest

from data_prep.stage import allocator

allocator.keep_freed_memory()  # as every script does

# Files that take longest come first, so that two processes end together.
_LONGEST = ("tests/test_trials.py", "tests/documents/test_walks.py", "tests/test_conformance.py",
            "tests/vae/networks/test_stems.py", "tests/delg/training/test_loop.py",
            "tests/vae/training/test_loop.py", "tests/hashing/training/test_loop.py",
            "tests/delg/networks/test_backbone.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the longest files first; the others stay in their order."""
    if "tensorflow" in sys.modules:
        importlib.import_module("tests.fixtures.lean")
    places = {name: place for place, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: places.get(item.nodeid.split("::")[0], len(places)))


@pytest.fixture(scope="module", autouse=True)
def module_cleanups() -> Iterator[None]:
    """What modules of tests add by `unittest.addModuleCleanup`, which pytest does not call, is done."""
    yield
    unittest.doModuleCleanups()
