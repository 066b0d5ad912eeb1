"""Every command in the documents has a script, flags and choices that exist."""

import re
import unittest

from tests.documents import commands, sources
from tests.documents.commands import Command


class DocumentedCommandsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.found = [command for path in commands.documents() for command in commands.commands_of(
            path.read_text(encoding="utf-8"), str(path.relative_to(sources.ROOT)))]
        cls.scripts = [f"{package}.{path.stem}" for package in sources.PACKAGES
                       for path in sorted((sources.ROOT / package).glob("*.py")) if path.stem != "__init__"]
        benchmarks = [f"tests.benchmarks.{path.stem}"
                      for path in sources.ROOT.glob("tests/benchmarks/bench_*.py")]
        found = [command for command in cls.found if command.program != "make"
                 and "docs/extending" not in command.place]  # those show kinds that are made up
        for script in cls.scripts:
            found.extend(commands.docstring_commands(script))
        cls.errors, cls.flags = commands.tried(found, [*cls.scripts, *benchmarks])

    def test_make_has_the_targets_and_variables(self):
        makefile = (sources.ROOT / "Makefile").read_text(encoding="utf-8")
        found = [command for command in self.found if command.program == "make"]
        self.assertGreater(len(found), 5)
        self.assertEqual(commands.make_errors(found, makefile), [])

    def test_scripts_take_the_flags(self):
        self.assertEqual(self.errors, [])

    def test_flags_named_in_the_text_exist(self):
        others = {"help", "universal", "python-version", "dir", "all", "service_port",  # and those of Slurm
                  "gpus-per-node", "kill-on-bad-exit", "nodes", "ntasks-per-node", "open-mode", "requeue",
                  "signal", "time"}
        for page in commands.documents():
            if page.parent.name != "extending":
                named = set(re.findall(r"(?<![\w=-])--([a-z][\w-]*)", page.read_text(encoding="utf-8")))
                with self.subTest(page.name):
                    self.assertEqual(named - self.flags - others, set())

    def test_every_script_is_shown(self):
        self.assertEqual(sorted(set(self.scripts) - {command.program for command in self.found}), [])


class CommandsTest(unittest.TestCase):
    def test_finds_commands_in_fenced_and_inline_code(self):
        text = ("```\n# first\nX=1 python -m delg.train --a='b c' \\\n  --d  # why\n"
                "for x in 1 2; do .venv/bin/python -m vae.train --e=$x; done\n```\n"
                "Then `make demo SEED=1`; make no mistake, `python -m pip list`.")
        self.assertEqual(commands.commands_of(text, "p"), [
            Command("p", "delg.train", ("--a=b c", "--d")), Command("p", "vae.train", ("--e=$x",)),
            Command("p", "make", ("demo", "SEED=1"))])

    def test_says_what_make_does_not_have(self):
        found = [Command("p", "make", ("demo", "SEED=1", "FAST=1")), Command("p", "make", ("tea",))]
        self.assertEqual(commands.make_errors(found, "demo: env\n\t$(PY) $(SEED)\n"),
                         ["p: make demo SEED=1 FAST=1: no FAST", "p: make tea: no tea"])

    def test_says_what_scripts_do_not_have(self):
        errors, flags = commands.tried([
            Command("p", "delg.fly", ()), Command("p", "data_prep.download", ("--dataset=cub", "...")),
            Command("p", "data_prep.download", ("--dataset=cub",)),
            Command("p", "data_prep.download", ("--dataset=moon", "--output_dir=x")),
            Command("p", "data_prep.download", ("--dataset=cub", "--output_dir=x", "--quickly"))])
        for error, phrase in zip(errors, ("there is no delg.fly", "--output_dir must have a value",
                                          "value should be one of", "Unknown command line flag 'quickly'")):
            self.assertIn(phrase, error)
        self.assertEqual(len(errors), 4)
        self.assertLessEqual({"dataset", "dry_run", "nodry_run"}, flags)
