"""The package: its dependencies, and a wheel that works from any folder."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

from tests.documents import sources
from tests.fixtures.temporary_files import FilesTest

ROOT = sources.ROOT
PACKAGES = tuple(sources.PACKAGES)


def listed(name: str) -> list[str]:
    """The strings of one list of pyproject.toml; Python 3.9 and 3.10 have no tomllib."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    return re.findall(r'"([^"]+)"', re.search(rf"^{name} = \[(.*?)\]$", text, re.M | re.S).group(1))


def templates(root: pathlib.Path) -> list[str]:
    """The templates of all packages below a folder."""
    return sorted(str(path.relative_to(root)) for package in PACKAGES
                  for path in (root / package).rglob("templates/*"))


class DependenciesTest(unittest.TestCase):
    def test_agree_with_requirements(self):
        lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
        required = [line for line in lines if line and not line.startswith(("#", "-c"))]
        self.assertEqual(listed("dependencies") + listed("dev"), required)

    def test_run_without_tools_of_development(self):
        runtime = " ".join(listed("dependencies"))
        for tool in ("pytest", "ruff", "import-linter"):
            self.assertNotIn(tool, runtime)

    def test_each_has_its_line_and_version_in_the_documents(self):
        rows = (ROOT / "docs/dependencies.md").read_text(encoding="utf-8").splitlines()
        for line in listed("dependencies") + listed("dev"):
            name, version = re.match(r"([\w-]+)==([\w.]+)", line).groups()
            with self.subTest(name):
                self.assertTrue([row for row in rows if f"`{name}`" in row and version in row], version)

    def test_version_is_that_of_citation_and_changelog(self):
        version = re.search('^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.M)
        self.assertIn(f"\nversion: {version.group(1)}\n", (ROOT / "CITATION.cff").read_text(encoding="utf-8"))
        self.assertIn(f"## {version.group(1)}", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))


class WheelTest(FilesTest):
    def test_installed_scripts_and_templates_work_from_another_folder(self):
        source, installed = self.path("source"), self.path("installed")
        os.makedirs(source)
        for name in (*PACKAGES, "pyproject.toml", "README.md", "LICENSE"):
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, os.path.join(source, name))
        self.python("-m", "pip", "wheel", source, "--no-deps", "--no-build-isolation", "--no-index",
                    f"--wheel-dir={self.path('wheels')}")
        [wheel] = os.listdir(self.path("wheels"))
        self.python("-m", "pip", "install", self.path(f"wheels/{wheel}"), "--no-deps", "--no-index",
                    f"--target={installed}")
        folders = sorted(name for name in os.listdir(installed) if not name.endswith(".dist-info"))
        self.assertEqual(folders, sorted(PACKAGES))
        self.assertIn("--seed", self.python("-m", "data_prep.make_world", "--help"))
        page = self.python("-c", "from delg.pictures import page; print(page.render('hashing.scores', "
                                 "'report.html.j2', title='Ten codes', summary='', charts=[], groups=[], "
                                 "parts={}, drawn=[], downloads=[], settings=[], warnings=[], "
                                 "text=str))")
        self.assertIn("<h1>Ten codes</h1>", page)
        self.assertIn("VerdictModel", self.python("-c", "from delg.geometry import verdict; "
                                                  "print(verdict.verdict_for(True))"))
        self.assertEqual(templates(pathlib.Path(installed)), templates(ROOT))

    def python(self, *arguments: str) -> str:
        elsewhere = self.path("elsewhere")
        os.makedirs(elsewhere, exist_ok=True)
        environment = {**os.environ, "PYTHONPATH": self.path("installed"),
                       "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        finished = subprocess.run([sys.executable, *arguments], cwd=elsewhere, env=environment,
                                  capture_output=True, text=True, timeout=300, check=False)
        self.assertEqual(finished.returncode, 0, finished.stderr)
        return finished.stdout
