"""Writes docs/api.md, the public Python API, from the tables in the four packages and the docstrings.

    python -m tests.documents.make_api
"""

from __future__ import annotations

import ast
import importlib

from tests.documents import sources

HEADER = """# Public Python API

Made by `make docs` from the tables in each package's `__init__.py`; a test compares them. Everything else is
internal and may move. Importing a package costs milliseconds: a name is loaded when it is first used,
TensorFlow with the first that needs it.

```python
import delg

config = delg.SearchConfig(num_rerank=50)
delg.search_images("features/query-*.h5", "features/index-*.h5", "index", "ranking.h5", config)
print(delg.evaluate("ranking.h5", "gnd.json")["global"]["medium"]["mAP"])
```

Scripts and functions share names (`python -m delg.train`, `delg.train(config)`): take the functions from the
package (`from delg import train`) and import no script as a module. `help(delg.train)` describes arguments,
results and errors; the settings of a `...Config` are the flags that `--help` of its script shows.
"""


def page() -> str:
    """The text of docs/api.md."""
    parts = [HEADER]
    for package, about in sources.PACKAGES.items():
        parts.append(f"## {package}\n\n{about}.\n")
        places = importlib.import_module(package).__getattr__.places
        parts.extend(_entry(package, name, place) for name, place in places.items())
    return "\n".join(parts)


def _entry(package: str, name: str, place: str) -> str:
    node = sources.definition(place)
    module = place.split(":")[0]
    link = f"[{module}](../{sources.path_of(module).relative_to(sources.ROOT)})"
    if isinstance(node, ast.ClassDef):
        lines = [f"**`{package}.{name}{_constructor(node)}`** ({link})  ", sources.first_line(node, place)]
        lines.extend(_method(method) for method in _public_methods(node))
    elif isinstance(node, ast.FunctionDef):
        lines = [f"**`{package}.{_signature(node, name)}`** ({link})  ", sources.first_line(node, place)]
    else:
        lines = [f"**`{package}.{name}`** ({link})"]
    return "\n".join(lines) + "\n"


def _method(node: ast.FunctionDef) -> str:
    about = f": {sources.first_line(node, node.name)}" if ast.get_docstring(node) else ""
    return f"- `.{_signature(node)}`{about}"


def _public_methods(node: ast.ClassDef) -> list[ast.FunctionDef]:
    return [child for child in node.body
            if isinstance(child, ast.FunctionDef) and not child.name.startswith("_")]


def _constructor(node: ast.ClassDef) -> str:
    """The arguments of `__init__`; a dataclass has none of its own."""
    for child in node.body:
        if isinstance(child, ast.FunctionDef) and child.name == "__init__":
            return _arguments(child)
    return "(...)"


def _signature(node: ast.FunctionDef, name: str = "") -> str:
    decorators = {getattr(decorator, "id", "") for decorator in node.decorator_list}
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    if "property" in decorators:
        return f"{node.name}{returns.replace(' ->', ':')}"
    return f"{name or node.name}{_arguments(node)}{returns}"


def _arguments(node: ast.FunctionDef) -> str:
    text = ast.unparse(node.args)
    for first in ("self", "cls"):
        if text == first:
            text = ""
        elif text.startswith(f"{first}, "):
            text = text[len(first) + 2:]
    return f"({text})"


if __name__ == "__main__":
    (sources.ROOT / "docs/api.md").write_text(page(), encoding="utf-8")
