"""Commands that the documents show: found, taken apart, and tried against the flags of their scripts."""

from __future__ import annotations

import ast
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
from collections.abc import Collection
from typing import NamedTuple

from tests.documents import sources

_OURS = (*sources.PACKAGES, "tests")
_FENCED = re.compile(r"^```[^\n]*\n(.*?)^```", re.M | re.S)
_INLINE = re.compile(r"`([^`\n]+)`")
_SEPARATORS = {";", "&&", "||", "|", ">", "done", "&"}


class Command(NamedTuple):
    """A command and the file that shows it."""

    place: str
    program: str  # module after `python -m`, or "make"
    arguments: tuple[str, ...]


def documents() -> list[pathlib.Path]:
    """Every page a reader may take a command from."""
    return [*sorted(sources.ROOT.glob("*.md")), *sorted(sources.ROOT.glob("docs/**/*.md"))]


def commands_of(text: str, place: str) -> list[Command]:
    """The commands of our scripts, and of make, in the code of a Markdown page.

    Lines are joined at a trailing backslash; comments, loops and variables before a command are left out. An
    argument `...` stands for others; a command without arguments names its script.
    """
    code = _FENCED.findall(text)
    code.extend(_INLINE.findall(_FENCED.sub("", text)))
    lines = [line for block in code for line in block.replace("\\\n", " ").splitlines()]
    return [command for line in lines for command in _commands(line, place)]


def docstring_commands(module: str) -> list[Command]:
    """The commands in the docstring of a script, where `[--flag=value]` may be left out."""
    text = ast.get_docstring(sources.parse(module)) or ""
    lines = text.replace("\\\n", " ").splitlines()
    return [command for line in lines if line.startswith("    ")
            for command in _commands(re.sub(r"\[(--.*?)\]", r"\1", line), module)]


def _commands(line: str, place: str) -> list[Command]:
    if not re.search(r"\bpython -m |\bmake [a-z]", line):
        return []
    lexer = shlex.shlex(line, posix=True, punctuation_chars=";&|>")
    lexer.whitespace_split = True
    tokens, found = list(lexer), []
    for start, token in enumerate(tokens):
        rest = tokens[start + 1:]
        end = next((i for i, other in enumerate(rest) if other in _SEPARATORS), len(rest))
        if token == "make" and (start == 0 or tokens[start - 1] in _SEPARATORS):
            found.append(Command(place, "make", tuple(rest[:end])))
        elif re.fullmatch(r"(.*/)?python[0-9.]*", token) and rest[:1] == ["-m"] and (
                rest[1].split(".")[0] in _OURS):
            found.append(Command(place, rest[1], tuple(rest[2:end])))
    return found


def make_errors(commands: list[Command], makefile: str) -> list[str]:
    """What is wrong with commands of make: targets and variables that the Makefile does not have."""
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.M))
    variables = set(re.findall(r"\$\(([A-Z_]+)\)", makefile))
    errors = []
    for command in commands:
        for argument in command.arguments:
            name, is_variable, _ = argument.partition("=")
            if name not in (variables if is_variable else targets):
                errors.append(f"{command.place}: make {' '.join(command.arguments)}: no {name}")
    return errors


def tried(commands: list[Command], scripts: Collection[str] = ()) -> tuple[list[str], set[str]]:
    """What the flags of the scripts say to commands, and which flags there are.

    Each script is imported in a process of its own, since all define flags of the same names.

    Args:
        commands: of scripts; those with `--help` are not tried.
        scripts: whose flags are listed beside those of the commands.

    Returns:
        A line for every command with an unknown or missing flag or a value that is no choice, and the names
        of all flags; of those that can be false with `no` before them too.
    """
    grouped = {script: [] for script in scripts}
    for command in dict.fromkeys(commands):
        grouped.setdefault(command.program, [])
        if "--help" not in command.arguments:
            grouped[command.program].append(command)
    calls = {name: [command.arguments for command in group] for name, group in grouped.items()
             if sources.path_of(name).exists()}
    errors = [f"{command.place}: there is no {command.program}" for name, group in grouped.items()
              for command in group[:1] if name not in calls]
    finished = subprocess.run([sys.executable, "-c", _PARSER], input=json.dumps(calls), cwd=sources.ROOT,
                              capture_output=True, text=True, timeout=300, check=False,
                              env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"})
    if finished.returncode:
        raise AssertionError(finished.stderr)
    answers = [json.loads(line) for line in finished.stdout.splitlines()]
    for name, number, message in (answer["refused"] for answer in answers if "refused" in answer):
        command = grouped[name][number]
        errors.append(f"{command.place}: {name} {' '.join(command.arguments)}: {message}")
    return errors, {flag for answer in answers for flag in answer.get("flags", ())}


_PARSER = """
import importlib, json, os, sys
import absl.flags
scripts = json.load(sys.stdin)
if len(scripts) > 5:  # worth sharing what most of them import
    import cv2, h5py, pandas, rich.console, tensorflow
    import data_prep.stage.command_line

# A script defines its flags when it is imported; this process goes on without them.
for name, calls in scripts.items():
    sys.stdout.flush()
    if process := os.fork():
        if os.waitpid(process, 0)[1]:
            sys.exit(f"{name} could not be imported.")
        continue
    importlib.import_module(name)
    flags = absl.flags.FLAGS
    print(json.dumps({"flags": [*flags, *(f"no{flag}" for flag in flags if flags[flag].boolean)]}))
    for number, arguments in enumerate(calls):
        cut = not arguments or "..." in arguments
        try:
            flags.unparse_flags()
            flags([name, *(argument for argument in arguments if argument != "...")])
        except absl.flags.Error as error:
            if not (cut and "must have a value other than None" in str(error)):
                print(json.dumps({"refused": [name, number, str(error)]}))
    sys.stdout.flush()
    os._exit(0)
"""
