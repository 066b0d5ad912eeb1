"""Every script says at once what it does, and each of its flags and settings says more than its own name."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import json
import pathlib
import re
import subprocess
import sys
import unittest
from concurrent import futures
from typing import Any

from data_prep.stage.settings import setting_of

_ROOT = pathlib.Path(__file__).parents[1]
_PACKAGES = ("data_prep", "delg", "vae", "hashing")
_HEAVY = ("tensorflow", "keras", "apache_beam", "pandas", "cv2", "faiss", "matplotlib", "h5py")
_FILLERS = {"a", "an", "the", "of", "to", "is", "in", "for", "and", "or", "that", "are"}
# Runs a script as the main module, then tells how it ended, what it printed and loaded, and its flags.
_PROBE = """
import contextlib, io, json, runpy, sys
module, heavy = sys.argv[1], sys.argv[2].split(",")
sys.argv = [module, "-h"]
output = io.StringIO()
try:
    with contextlib.redirect_stdout(output):
        runpy.run_module(module, run_name="__main__", alter_sys=True)
except SystemExit as end:
    status = end.code
from absl import flags
defined = [flag for name, found in flags.FLAGS.flags_by_module_dict().items()
           if not name.startswith("absl.") for flag in found]
print(json.dumps({"status": status, "output": output.getvalue(),
                  "loaded": [name for name in heavy if name in sys.modules],
                  "help": {flag.name: flag.help for flag in defined}}))
"""


def says_more(name: str, text: str) -> bool:
    """Whether a help is more than a word or two, and not the words of the name alone."""
    words = re.findall(r"[a-z0-9]+", text.lower())
    return len(words) >= 3 and bool(set(words) - _FILLERS - set(name.lower().split("_")))


def scripts() -> list[str]:
    """What is run as `python -m`."""
    return [f"{package}.{path.stem}" for package in _PACKAGES
            for path in sorted((_ROOT / package).glob("*.py")) if path.stem != "__init__"]


def settings_classes() -> list[type]:
    """Every dataclass named ...Config."""
    found = []
    for package in _PACKAGES:
        for path in sorted((_ROOT / package).rglob("*.py")):
            names = [node.name for node in ast.parse(path.read_text(encoding="utf-8")).body
                     if isinstance(node, ast.ClassDef) and node.name.endswith("Config")]
            if names:
                module = importlib.import_module(".".join(path.relative_to(_ROOT).with_suffix("").parts))
                found += [getattr(module, name) for name in names]
    return [found_class for found_class in found if dataclasses.is_dataclass(found_class)]


def ask(module: str) -> dict[str, Any]:
    """What the script's `-h` does."""
    done = subprocess.run([sys.executable, "-c", _PROBE, module, ",".join(_HEAVY)], cwd=_ROOT, check=False,
                          capture_output=True, text=True, timeout=120)
    if done.returncode or done.stderr:
        raise AssertionError(f"{module} -h: status {done.returncode}, {done.stderr}")
    return json.loads(done.stdout)


def next_commands(module: str) -> list[tuple[str, list[str]]]:
    """Modules and flags of the commands that a script names at its end, as it must; with {} for values."""
    source = (_ROOT / module.replace(".", "/")).with_suffix(".py").read_text(encoding="utf-8")
    ends = [node for node in ast.walk(ast.parse(source))
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "command_line.finish"]
    if not ends:
        raise AssertionError(f"{module} must end by command_line.finish.")
    steps = [ast.unparse(part) for end in ends for node in end.args[1:] for part in ast.walk(node)
             if isinstance(part, (ast.JoinedStr, ast.Constant))]
    return [(found[1], re.findall(r"--([a-z0-9_]+)", step)) for step in steps
            if (found := re.search(r"python -m ([a-z_]+\.[a-z_]+)", step))]


class HelpTest(unittest.TestCase):
    def test_every_script_answers_without_loading_what_it_works_with(self):
        with futures.ThreadPoolExecutor(4) as pool:
            answers = dict(zip(scripts(), pool.map(ask, scripts())))
        self.assertGreaterEqual(len(answers), 37)
        for module, answer in answers.items():
            with self.subTest(module):
                self.assertEqual((answer["status"], answer["loaded"]), (0, []))
                self.assertIn(f"python -m {module}", answer["output"])
                for name, text in answer["help"].items():
                    self.assertTrue(says_more(name, text), f"--{name}: {text}")
                for next_module, flags in next_commands(module):
                    self.assertLessEqual(set(flags), set(answers[next_module]["help"]), next_module)

    def test_importing_a_package_is_instant(self):
        code = (f"import sys, {', '.join(_PACKAGES)}\n"
                f"print([name for name in {(*_HEAVY, 'numpy', 'absl', 'rich')} if name in sys.modules])")
        done = subprocess.run([sys.executable, "-c", code], cwd=_ROOT, capture_output=True, text=True,
                              check=True, timeout=60)
        self.assertEqual(done.stdout, "[]\n")


class SettingsTest(unittest.TestCase):
    def test_every_field_says_what_it_means(self):
        classes = settings_classes()
        self.assertGreaterEqual(len(classes), 20)
        for settings in classes:
            for field in dataclasses.fields(settings):
                with self.subTest(f"{settings.__module__}.{settings.__qualname__}.{field.name}"):
                    declared = setting_of(field)
                    self.assertTrue(says_more(field.name, declared.help), declared.help)
                    self.assertFalse(declared.help.endswith("."), "`describe` adds the full stop")

    def test_every_class_checks_its_fields(self):
        for settings in settings_classes():
            with self.subTest(settings):
                checks = "check_fields" in settings.__post_init__.__code__.co_names \
                    if hasattr(settings, "__post_init__") else bool(settings.__subclasses__())
                self.assertTrue(checks, "neither checks its fields nor has a class that does")


if __name__ == "__main__":
    unittest.main()
