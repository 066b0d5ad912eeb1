"""The public Python API: which names there are, that each is found, and that importing a package is cheap."""

import json
import subprocess
import sys
import unittest

import delg
from tests.documents import sources

PUBLIC = {
    "data_prep": ["build", "BuildConfig", "JobConfig", "make_dataset", "iterate_examples", "load_manifest",
                  "validate", "download", "DownloadConfig", "PUBLIC_SETS"],
    "delg": ["ModelConfig", "build_delg", "TrainConfig", "train", "export", "ExportedModel", "ExtractConfig",
             "ImageDescriber", "extract_features", "read_descriptors", "FeatureReader", "IndexConfig",
             "build_index", "update_index", "load_index", "TrainRerankerConfig", "train_reranker",
             "SearchConfig", "search_images", "read_ranking", "find_images",
             "verify_pair", "evaluate", "VoteConfig", "read_landmarks", "recognize"],
    "vae": ["TrainConfig", "preset", "train", "LatentEncoder", "export", "encode_images",
            "TranslatorConfig", "train_translator", "translate_folder", "translate_shards",
            "read_photographs", "MethodsConfig", "build_methods", "evaluate"],
    "hashing": ["TrainConfig", "preset", "train", "AdaptConfig", "adapt", "Encoder", "export",
                "encode_images", "read_codes", "CodeIndexConfig", "CodeIndex", "evaluate"],
}

IMPORT = """
import json, sys, time
start = time.process_time()
import {package}
seconds = time.process_time() - start
heavy = sorted({{"absl", "cv2", "h5py", "numpy", "tensorflow"}} & set(sys.modules))
print(json.dumps([seconds, heavy, {package}.__all__, dir({package})]))
"""

RESOLVE = """
import importlib, sys
for package in sys.argv[1:]:
    package = importlib.import_module(package)
    for name in package.__all__:
        if type(getattr(package, name)) is type(sys):
            print(f"{package.__name__}.{name} is a module")
"""


def run(code: str, *arguments: str) -> str:
    """What a fresh Python prints: in this one, tests may have imported scripts as modules."""
    finished = subprocess.run([sys.executable, "-c", code, *arguments], cwd=sources.ROOT, check=False,
                              capture_output=True, text=True, timeout=300)
    if finished.returncode:
        raise AssertionError(finished.stderr)
    return finished.stdout


class PublicApiTest(unittest.TestCase):
    def test_importing_a_package_loads_next_to_nothing_and_lists_its_names(self):
        for package, names in PUBLIC.items():
            with self.subTest(package):
                seconds, heavy, public, listed = json.loads(run(IMPORT.format(package=package)))
                self.assertLess(seconds, 0.05)
                self.assertEqual(heavy, [])
                self.assertEqual(public, names)
                self.assertLessEqual(set(names), set(listed))

    def test_every_name_is_found_and_none_is_a_script_or_room(self):
        self.assertEqual(run(RESOLVE, *PUBLIC), "")

    def test_no_name_is_that_of_a_room(self):
        for package, names in PUBLIC.items():
            rooms = {path.parent.name for path in (sources.ROOT / package).glob("*/__init__.py")}
            self.assertEqual(rooms & set(names), set())

    def test_says_which_names_there_are(self):
        with self.assertRaisesRegex(AttributeError, "`delg` has no public name 'serch'. Public are: Model"):
            delg.serch  # noqa: B018
