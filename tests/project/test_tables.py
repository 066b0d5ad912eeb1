"""Names of the tables: what a name stands for is said by its record, and nowhere else."""

import ast
import importlib
import re
import unittest

from data_prep.stage.table import Table
from tests.documents import sources

_TABLE = re.compile(r"^(\w+)(?:: [^=]+)? = Table\(", re.M)
_EXCEPTIONS = {  # why a name means something else: module and what is compared
    "the setting does without, which no record is there to say": [
        ("data_prep/stage/ending.py", "name"),
        ("delg/networks/backbone.py", "weights"),
        ("delg/settings/backbones.py", "name"),
        ("hashing/experiments/chain.py", "config.backbone_weights"),
        ("hashing/experiments/presets.py", "network['backbone_weights']"),
        ("hashing/run_experiment.py", "weights"),
        ("hashing/search_images.py", "_RESCORE_BY.value"),
        ("hashing/training/loop.py", "config.backbone_weights"),
        ("vae/training/config.py", "self.stem_weights"),
        ("vae/training/loop.py", "config.stem_weights"),
    ],
    "folder: a member of an archive that is one": [("data_prep/downloads/archives.py", "member.kind")],
    "folder: the images are the user's, in no published set": [
        ("hashing/run_experiment.py", "_DATASET.value")],
    "none: a house without gable": [("data_prep/world/architecture/architects.py", "plan.gable")],
    "identity: an encoding of HTTP": [
        ("data_prep/downloads/partial_file.py", "response.headers.get('Content-Encoding', 'identity')")],
    "binary: a type that descriptors are stored in": [("delg/features/local_codes.py", "local_dtype")],
    "linear, cosine: forms of one Keras class, which saved models name": [
        ("delg/fitting/schedules.py", "form"), ("delg/fitting/schedules.py", "self.form")],
    "local: a runner of jobs, or none": [("delg/extract_features.py", "_RUNNER.value")],
    "tpu: its replicas cannot hold parts of a variable": [("delg/settings/training.py", "self.strategy")],
    "paper: a model of the experiment": [("vae/scores/claims.py", "scores")],
}


def _modules() -> list[tuple[str, str]]:
    """Path from the root, and text, of every module of the packages."""
    return [(path.relative_to(sources.ROOT).as_posix(), path.read_text(encoding="utf-8"))
            for package in sources.PACKAGES for path in sorted((sources.ROOT / package).rglob("*.py"))]


def tables() -> dict[str, Table]:
    """Every table of the packages, by "package/module.py:NAME"."""
    return {f"{path}:{name}": getattr(importlib.import_module(path[:-len(".py")].replace("/", ".")), name)
            for path, text in _modules() for name in _TABLE.findall(text)}


def _has_name(side: ast.expr, names: set[str]) -> bool:
    return any(isinstance(part, ast.Constant) and part.value in names
               for part in getattr(side, "elts", [side]))


def compared(text: str, names: set[str]) -> list[str]:
    """What a module compares with names: the other sides of the comparisons."""
    found = []
    for node in ast.walk(ast.parse(text)):
        sides = [node.left, *node.comparators] if isinstance(node, ast.Compare) else []
        if any(_has_name(side, names) for side in sides):
            found += [ast.unparse(side) for side in sides if not _has_name(side, names)]
    return found


class TablesTest(unittest.TestCase):
    def test_no_module_compares_with_a_name_of_a_table(self):
        names = {name for table in tables().values() for name in table}
        found = {(path, side) for path, text in _modules() for side in compared(text, names)}
        self.assertEqual(sorted(found), sorted(place for places in _EXCEPTIONS.values() for place in places))

    def test_every_record_is_where_its_table_says(self):
        for place, table in tables().items():
            for name in table:
                with self.subTest(place, name=name):
                    self.assertIsNotNone(table[name])

    def test_comparisons_are_found_in_any_form(self):
        text = "a == 'x'\n'y' != b\nc in ('x', 'z')\nd not in {'y'}\n'x' in e\nf == 'z'\ng = 'x'\n"
        self.assertEqual(compared(text, {"x", "y"}), ["a", "b", "c", "d", "e"])


if __name__ == "__main__":
    unittest.main()
