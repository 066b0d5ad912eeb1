"""What holds for every test of a run."""

import unittest
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module", autouse=True)
def module_cleanups() -> Iterator[None]:
    """What modules of tests add by `unittest.addModuleCleanup`, which pytest does not call, is done."""
    yield
    unittest.doModuleCleanups()
