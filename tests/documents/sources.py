"""The sources of the four packages as the documents see them: modules, first lines, definitions."""

from __future__ import annotations

import ast
import pathlib

ROOT = pathlib.Path(__file__).parents[2]
PACKAGES = {"data_prep": "From raw image collections to TFRecord shards",
            "delg": "Training, features, search, geometric verification, evaluation",
            "vae": "One latent for day and night",
            "hashing": "Binary codes"}


def parse(module: str) -> ast.Module:
    """The syntax tree of a module, read without importing it."""
    return ast.parse(path_of(module).read_text(encoding="utf-8"))


def path_of(module: str) -> pathlib.Path:
    """Where a module or package is written."""
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def first_line(node: ast.AST, place: str) -> str:
    """The first paragraph of a docstring as one line.

    Raises:
        ValueError: if there is no docstring.
    """
    text = ast.get_docstring(node)
    if not text:
        raise ValueError(f"{place} must have a docstring, which the documents show.")
    return " ".join(text.split("\n\n")[0].split())


def definition(place: str) -> ast.AST:
    """The function, class or assignment that "package.module:NAME" means.

    Raises:
        ValueError: if the module does not define that name itself.
    """
    module, name = place.split(":")
    for node in parse(module).body:
        targets = [*getattr(node, "targets", ()), getattr(node, "target", None)]
        if name in (getattr(node, "name", None), *(getattr(target, "id", None) for target in targets)):
            return node
    raise ValueError(f"{module} must define {name} itself. Name the module that does.")
