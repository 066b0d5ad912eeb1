"""Every script refuses an output that cannot be written while its flags are read, before any work."""

import pathlib
import runpy
import tempfile
import unittest
from unittest import mock

from absl import flags

from tests.fixtures import scripts

_ROOT = pathlib.Path(__file__).parent.parent
OUTPUTS = {  # of each script that writes: the flags of paths it writes to
    "data_prep.build_tfrecords": ["output_dir"],
    "data_prep.download": ["output_dir"],
    "data_prep.inspect": ["output"],
    "data_prep.make_day_night_world": ["output_dir"],
    "data_prep.make_world": ["output_dir"],
    "data_prep.validate": ["output"],
    "delg.build_index": ["index_dir"],
    "delg.convert_features": ["matches"],  # its output is a file or a folder: tests of the exchange
    "delg.evaluate": ["output"],
    "delg.export_model": ["export_dir"],
    "delg.export_pairs": ["output", "matches", "database"],
    "delg.extract_features": ["output_dir"],
    "delg.find_images": ["output", "work_dir"],
    "delg.fit_verification": ["output", "verdict"],
    "delg.fit_whitening": ["output"],
    "delg.group_images": ["output", "work_dir"],
    "delg.list_results": ["output"],
    "delg.make_report": ["output_dir"],
    "delg.match_images": ["output"],
    "delg.recognize_landmarks": ["output"],
    "delg.rewrite_features": ["output_dir"],
    "delg.run_experiment": ["output_dir"],
    "delg.search_images": ["output"],
    "delg.serve": ["work_dir"],
    "delg.train": ["model_dir"],
    "delg.train_reranker": ["model_dir"],
    "delg.update_index": ["index_dir"],
    "hashing.adapt_codes": ["output_dir"],
    "hashing.build_index": ["index_dir"],
    "hashing.encode_images": ["output_dir"],
    "hashing.evaluate": ["output", "report_dir"],
    "hashing.export_model": ["export_dir"],
    "hashing.run_experiment": ["output_dir"],
    "hashing.search_images": ["output", "sheet"],
    "hashing.train": ["model_dir"],
    "vae.encode_images": ["output_dir"],
    "vae.evaluate": ["output"],
    "vae.export_model": ["export_dir"],
    "vae.run_experiment": ["output_dir"],
    "vae.train": ["model_dir"],
    "vae.train_channel_weights": ["model_dir"],
    "vae.train_translator": ["export_dir"],
    "vae.translate_images": ["output_dir"],
    "vae.visualize": ["output_dir"],
}


class OutputsTest(unittest.TestCase):
    def test_every_script_is_listed(self):
        found = {f"{path.parent.name}.{path.stem}" for package in ("data_prep", "delg", "hashing", "vae")
                 for path in (_ROOT / package).glob("*.py") if path.stem != "__init__"}
        self.assertEqual(found, set(OUTPUTS))

    def test_refuses_an_output_below_a_file_or_in_a_read_only_folder(self):
        with tempfile.TemporaryDirectory() as folder:
            plain = pathlib.Path(folder, "plain")
            plain.write_text("")
            for module, names in OUTPUTS.items():
                with scripts.fresh_flags():
                    runpy.run_module(module)
                    flags.FLAGS.mark_as_parsed()
                    for name in names:
                        with self.subTest(module=module, flag=name):
                            self.check(name, f"{plain}/x/y", f"but {plain} is no folder")
                            with mock.patch("os.access", return_value=False):
                                self.check(name, f"{folder}/x/y", f"but {folder} is read-only")

    def check(self, name: str, path: str, why: str) -> None:
        with self.assertRaisesRegex(flags.IllegalFlagValueError, f"--{name}=.*must be possible there.*{why}"):
            setattr(flags.FLAGS, name, path)


if __name__ == "__main__":
    unittest.main()
