from __future__ import annotations

import dataclasses
import os
import pathlib
import tempfile
import unittest
from unittest import mock

from absl import flags

from data_prep.stage.config_flags import define_flags, define_output, why_not_written
from data_prep.stage.settings import setting
from data_prep.stage.table import Table


@dataclasses.dataclass(frozen=True)
class _FlagTestConfig:
    flag_test_path: str = setting(help="where it lies")
    flag_test_count: int = setting(3, help="how many, of 4", unit="images", range="[0, 4]")
    flag_test_rate: float = setting(0.5, help="how fast")
    flag_test_switch: bool = setting(False, help="whether at all")
    flag_test_limit: float | None = setting(None, help="what stops it")
    flag_test_scales: tuple[float, ...] = setting((0.5, 2**0.5), help="how large")
    flag_test_options: tuple[str, ...] = setting((), help="what else")
    flag_test_kind: str = setting("plain", help="which one", choices=Table("kind", {"plain": "", "odd": ""}))
    flag_test_sizes: tuple[int, ...] = setting((), help="how many each", range="[1, inf)")
    flag_test_order: str = setting("", help="which in turn", choices=("plain", "odd"), many=True)
    flag_test_stages: int | str = setting(3, help="how many at which step")


@dataclasses.dataclass(frozen=True)
class _OddConfig:
    flag_test_odd: dict = setting(help="an odd one")


@dataclasses.dataclass(frozen=True)
class _SilentConfig:
    flag_test_silent: int = 3


@dataclasses.dataclass(frozen=True)
class _PartConfig:
    flag_part_first: str = setting(help="where it lies")
    flag_part_second: str = setting("local", help="where it runs")
    flag_part_third: str = setting("x", help="that has no flag")


class DefineFlagsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):  # flags of their own: a required one would be asked for by whatever runs next
        own = mock.patch.dict(vars(flags.FLAGS), vars(flags.FlagValues()))
        own.start()
        cls.addClassCleanup(own.stop)
        flags.FLAGS.mark_as_parsed()
        cls.from_flags = staticmethod(define_flags(_FlagTestConfig))
        cls.part_from_flags = staticmethod(define_flags(
            _PartConfig, ("flag_part_first", "flag_part_second"), flag_part_first="here"))

    def _parse(self, *arguments):
        flags.FLAGS.unparse_flags()
        flags.FLAGS(["test", *arguments])
        self.addCleanup(flags.FLAGS.unparse_flags)
        for name in flags.FLAGS:
            if name.startswith(("flag_test", "flag_part")):
                self.addCleanup(flags.FLAGS[name].unparse)
        return self.from_flags()

    def test_defaults_are_those_of_the_config(self):
        self.assertEqual(self._parse("--flag_test_path=x"), _FlagTestConfig("x"))

    def test_values_of_every_type(self):
        config = self._parse("--flag_test_path=x", "--flag_test_count=7", "--flag_test_rate=1e-3",
                             "--flag_test_switch", "--flag_test_limit=2", "--flag_test_scales=1,0.25",
                             "--flag_test_options=a,b", "--flag_test_options=c", "--flag_test_kind=odd",
                             "--flag_test_order=odd,plain", "--flag_test_sizes=12,8",
                             "--flag_test_stages=3:0,4:9")
        self.assertEqual(config, _FlagTestConfig("x", 7, 1e-3, True, 2.0, (1.0, 0.25), ("a,b", "c"), "odd",
                                                 (12, 8), "odd,plain", "3:0,4:9"))
        self.assertEqual(self._parse("--flag_test_path=x", "--flag_test_stages=12").flag_test_stages, 12)
        with self.assertRaisesRegex(ValueError, r"must be whole numbers with commas .*Received: \['1.5'\]"):
            self._parse("--flag_test_path=x", "--flag_test_sizes=1.5")

    def test_no_numbers_are_an_empty_tuple(self):
        for nothing in ("", " "):
            self.assertEqual(self._parse("--flag_test_path=x", f"--flag_test_scales={nothing}"),
                             _FlagTestConfig("x", flag_test_scales=()))

    def test_other_defaults_are_for_flags_not_given(self):
        self._parse("--flag_test_path=x", "--flag_test_rate=2")
        config = self.from_flags(flag_test_count=9, flag_test_rate=0.1)
        self.assertEqual((config.flag_test_count, config.flag_test_rate), (9, 2.0))

    def test_setting_of_the_field_is_the_help(self):
        self.assertEqual(flags.FLAGS["flag_test_count"].help,
                         "How many, of 4. Unit: images. Must be in [0, 4].")
        self.assertEqual(flags.FLAGS["flag_test_order"].help, "Which in turn. Of: plain, odd.")

    def test_choices_are_shown_and_checked(self):
        self.assertEqual(flags.FLAGS["flag_test_kind"].help, "<plain|odd>: Which one.")
        with self.assertRaisesRegex(flags.IllegalFlagValueError, r"flag_test_kind=new: .*<plain\|odd>"):
            self._parse("--flag_test_path=x", "--flag_test_kind=new")

    def test_some_fields_with_other_defaults(self):
        self._parse("--flag_test_path=x")
        self.assertNotIn("flag_part_third", flags.FLAGS)
        self.assertEqual(self.part_from_flags(), _PartConfig("here", "local", "x"))
        self._parse("--flag_test_path=x", "--flag_part_second=there")
        self.assertEqual(self.part_from_flags(flag_part_second="far", flag_part_third="y"),
                         _PartConfig("here", "there", "y"))

    def test_flags_belong_to_the_module_that_asks_for_them(self):
        names = {flag.name for flag in flags.FLAGS.get_key_flags_for_module(__name__)}
        self.assertLessEqual({"flag_test_path", "flag_test_scales"}, names)

    def test_field_without_default_is_required(self):
        with self.assertRaisesRegex(flags.IllegalFlagValueError, "flag_test_path"):
            self._parse()

    def test_refuses_scales_that_are_no_numbers(self):
        with self.assertRaisesRegex(ValueError, "`flag_test_scales` must be numbers with commas"):
            self._parse("--flag_test_path=x", "--flag_test_scales=big")

    def test_refuses_fields_of_other_types(self):
        with self.assertRaisesRegex(ValueError, "Received: flag_test_odd of type dict"):
            define_flags(_OddConfig)

    def test_refuses_fields_that_say_nothing(self):
        with self.assertRaisesRegex(TypeError, "Field 'flag_test_silent' must be declared by `setting`"):
            define_flags(_SilentConfig)


class DefineOutputTest(unittest.TestCase):
    def test_refuses_before_any_work_what_cannot_be_written(self):
        with mock.patch.dict(vars(flags.FLAGS), vars(flags.FlagValues())), \
                tempfile.TemporaryDirectory() as folder:
            plain = pathlib.Path(folder, "plain")
            plain.write_text("")
            define_output("flag_output_file", "a file")
            define_output("flag_output_folder", "a folder", required=False, folder=True)
            file, other = f"--flag_output_file={folder}/new/file", "--flag_output_folder="
            for good in ([file], [file, other], [file, other + folder], [f"--flag_output_file={plain}"]):
                flags.FLAGS(["test", *good])
            for bad, why in (([f"--flag_output_file={folder}"], "which is a folder"),
                             (["--flag_output_file="], "'', which is a folder"),
                             ([f"--flag_output_file={plain}/x/y"], f"but {plain} is no folder"),
                             ([file, f"{other}{plain}"], f"but {plain} is no folder")):
                with self.assertRaisesRegex(flags.IllegalFlagValueError, f"possible there.*{why}"):
                    flags.FLAGS(["test", *bad])
            with mock.patch("os.access", return_value=False), \
                    self.assertRaisesRegex(flags.IllegalFlagValueError, f"but {folder} is read-only"):
                flags.FLAGS(["test", file])

    def test_a_folder_needs_a_name(self):
        self.assertEqual(why_not_written("", folder=True), "which is empty")

    def test_a_folder_that_is_renamed_needs_the_folder_around_it(self):
        with tempfile.TemporaryDirectory() as folder:
            whole = os.path.join(folder, "whole")
            os.mkdir(whole)
            with mock.patch("os.access", lambda place, _: place != folder):
                for renamed, why in ((False, ""), (True, f"but {folder} is read-only")):
                    self.assertEqual(why_not_written(whole, folder=True, renamed=renamed), why)
            with mock.patch("os.path.ismount", return_value=True):
                for renamed, why in ((False, ""), (True, "which is a mount; name a folder inside")):
                    self.assertEqual(why_not_written(whole, folder=True, renamed=renamed), why)
