from __future__ import annotations

import dataclasses
import unittest

from absl import flags

from data_prep.stage.config_flags import define_flags


@dataclasses.dataclass(frozen=True)
class _FlagTestConfig:
    flag_test_path: str  # where it lies
    flag_test_count: int = 3  # how many, of 4
    flag_test_rate: float = 0.5
    flag_test_switch: bool = False
    flag_test_limit: float | None = None
    flag_test_scales: tuple[float, ...] = (0.5, 2**0.5)


@dataclasses.dataclass(frozen=True)
class _OddConfig:
    flag_test_odd: dict = dataclasses.field(default_factory=dict)


_from_flags = define_flags(_FlagTestConfig)


class DefineFlagsTest(unittest.TestCase):
    def _parse(self, *arguments):
        flags.FLAGS.unparse_flags()
        flags.FLAGS(["test", *arguments])
        self.addCleanup(flags.FLAGS.unparse_flags)
        for name in flags.FLAGS:
            if name.startswith("flag_test"):
                self.addCleanup(setattr, flags.FLAGS[name], "value", flags.FLAGS[name].default)
        return _from_flags()

    def test_defaults_are_those_of_the_config(self):
        self.assertEqual(self._parse("--flag_test_path=x"), _FlagTestConfig("x"))

    def test_values_of_every_type(self):
        config = self._parse("--flag_test_path=x", "--flag_test_count=7", "--flag_test_rate=1e-3",
                             "--flag_test_switch", "--flag_test_limit=2", "--flag_test_scales=1,0.25")
        self.assertEqual(config, _FlagTestConfig("x", 7, 1e-3, True, 2.0, (1.0, 0.25)))

    def test_other_defaults_are_for_flags_not_given(self):
        self._parse("--flag_test_path=x", "--flag_test_rate=2")
        config = _from_flags(flag_test_count=9, flag_test_rate=0.1)
        self.assertEqual((config.flag_test_count, config.flag_test_rate), (9, 2.0))

    def test_comment_beside_the_field_is_the_help(self):
        self.assertEqual(flags.FLAGS["flag_test_count"].help, "How many, of 4.")

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
