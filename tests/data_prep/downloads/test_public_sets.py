"""The table of public sets is complete and consistent, and its commands are ones that the builder takes."""

import dataclasses
import re
import shlex
import unittest
from urllib.parse import urlparse

from data_prep.building.config import BuildConfig
from data_prep.downloads import archives, public_sets
from data_prep.downloads.public_sets import PUBLIC_SETS, choose_parts, next_command
from data_prep.sources.public_set import PublicFile


class TableTest(unittest.TestCase):
    def test_numbers_of_files(self):
        self.assertEqual({name: len(each.files) for name, each in PUBLIC_SETS.items()}, {
            "gldv2_train": 502, "gldv2_index": 102, "gldv2_test": 23, "gldv2_metadata": 12, "roxford": 2,
            "rparis": 3, "distractors": 101, "cub": 1, "dogs": 3})

    def test_addresses(self):
        train = PUBLIC_SETS["gldv2_train"].files[-1]
        self.assertEqual(f"{train.base_url}/{train.path}",
                         "https://s3.amazonaws.com/google-landmark/train/images_499.tar")
        self.assertEqual(train.md5_path, "md5sum/train/md5.images_499.txt")
        self.assertEqual(f"{PUBLIC_SETS['distractors'].files[1].base_url}/revisitop1m.1.tar.gz",
                         "http://ptak.felk.cvut.cz/revisitop/revisitop1m/jpg/revisitop1m.1.tar.gz")

    def test_files_are_well_formed(self):
        for name, each in PUBLIC_SETS.items():
            paths = [file.path for file in each.files]
            self.assertEqual(len(set(paths)), len(paths), name)
            for file in each.files:
                with self.subTest(file.path):
                    self.assertIn(urlparse(file.base_url).scheme, ("http", "https"))
                    self.assertNotIn("..", file.path)
                    self.assertRegex(file.md5 or "0" * 32, "^[0-9a-f]{32}$")
                    self.assertRegex(file.sha256 or "0" * 64, "^[0-9a-f]{64}$")
                    self.assertNotEqual(file.path.split("/")[0], each.unpack_dir)
            if each.unpack_dir:
                self.assertTrue(any(path.endswith(archives.SUFFIXES) for path in paths))

    def test_next_commands_are_ones_the_builder_takes(self):
        fields = {field.name for field in dataclasses.fields(BuildConfig)}
        for name, each in PUBLIC_SETS.items():
            for unpacked in (True, False):
                command = shlex.split(next_command(name, "data/set", unpacked))
                flags = dict(re.fullmatch("--([a-z_0-9]+)=?(.*)", flag).groups() for flag in command[3:])
                with self.subTest(name, unpacked=unpacked):
                    if command[2] == "data_prep.download":
                        self.assertIn(flags["dataset"], PUBLIC_SETS)
                        self.assertTrue("unpack" in flags or not each.unpack_dir)
                        continue
                    self.assertEqual(command[:3], ["python", "-m", "data_prep.build_tfrecords"])
                    self.assertLessEqual(set(flags), fields)
                    BuildConfig(**{"images_dir": "", **flags})
                    tables = {file.path for file in each.files}
                    for value in flags.values():
                        if value.endswith((".csv", ".mat")):
                            self.assertIn(value[len("data/set/"):], tables)


class ChoosePartsTest(unittest.TestCase):
    FILES = (PublicFile("http://a", "table"), *(PublicFile("http://a", str(part), part=part)
                                                for part in range(10)))

    def test_takes_ranges_and_what_is_no_part(self):
        self.assertEqual([file.path for file in choose_parts(self.FILES, "0-2, 5")],
                         ["table", "0", "1", "2", "5"])

    def test_empty_takes_all(self):
        self.assertEqual(choose_parts(self.FILES, ""), self.FILES)

    def test_refuses_other_text(self):
        for parts in ("a", "1-", "-1", "1,,2"):
            with self.assertRaisesRegex(ValueError, f"ranges such as 0-9,20. Received: parts={parts}."):
                choose_parts(self.FILES, parts)

    def test_refuses_parts_that_do_not_exist(self):
        for parts in ("10", "5-10", "3-1"):
            with self.assertRaisesRegex(ValueError, "between 0 and 9, lower end first. Received: parts="):
                choose_parts(self.FILES, parts)

    def test_refuses_a_set_without_parts(self):
        with self.assertRaisesRegex(ValueError, "`parts` needs a set that is published in parts. Rec"):
            choose_parts(public_sets.PUBLIC_SETS["cub"].files, "0")


if __name__ == "__main__":
    unittest.main()
