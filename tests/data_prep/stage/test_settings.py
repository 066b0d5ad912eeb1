from __future__ import annotations

import dataclasses
import math
import unittest

from data_prep.stage import settings
from data_prep.stage.settings import check_fields, like, require, require_member, setting, setting_of


@dataclasses.dataclass(frozen=True)
class _Config:
    path: str = setting(help="where it lies")
    share: float = setting(0.5, help="share of the images", range="[0, 1)")
    rate: float = setting(1.0, help="rate of the steps", unit="radians", range="(0, inf)")
    weight: float = setting(0.0, help="weight of the loss", range="[0, inf)")
    count: int = setting(3, help="how many", range="[2, inf)")
    gain: float = setting(2.0, help="how much louder", range="(1, inf)")
    limit: float | None = setting(None, help="what stops it", range="(0, 1]")
    scales: tuple[float, ...] = setting((1.0,), help="how large", range="(0, inf)")
    kind: str = setting("plain", help="which one", choices=("plain", "odd"))
    steps: str = setting("", help="what is done, in order", choices=("turn", "cut"), many=True)

    def __post_init__(self):
        check_fields(self)


class CheckFieldsTest(unittest.TestCase):
    def test_takes_what_is_in_range(self):
        for good in ({"share": 0}, {"rate": 1e-9}, {"rate": math.inf}, {"weight": 0}, {"count": 2},
                     {"limit": 1}, {"scales": ()}, {"scales": (0.5, 2.0)}, {"kind": "odd"},
                     {"steps": "cut, turn"}):
            _Config("x", **good)

    def test_names_the_field_what_must_hold_and_what_came(self):
        for message, bad in (
                (r"`share` must be in \[0, 1\). Received: share=1.", {"share": 1}),
                (r"`share` must be in \[0, 1\). Received: share=-0.1.", {"share": -0.1}),
                ("`rate` must be positive. Received: rate=0.", {"rate": 0}),
                ("`weight` must not be negative. Received: weight=-1.", {"weight": -1}),
                ("`count` must be at least 2. Received: count=1.", {"count": 1}),
                ("`gain` must be above 1. Received: gain=1.", {"gain": 1}),
                (r"`limit` must be in \(0, 1\]. Received: limit=0.", {"limit": 0}),
                (r"`scales` must be positive. Received: scales=\(1.0, 0.0\).", {"scales": (1.0, 0.0)}),
                ("`kind` must be one of plain, odd. Received: kind='new'.", {"kind": "new"}),
                ("`steps` must be names among turn, cut, with commas between them. Received: steps='cut,x'.",
                 {"steps": "cut,x"})):
            with self.subTest(message), self.assertRaisesRegex(ValueError, f"^{message}$"):
                _Config("x", **bad)

    def test_refuses_what_is_no_number(self):
        for bad in ({"weight": math.nan}, {"share": math.nan}):
            with self.assertRaisesRegex(ValueError, "Received: .*=nan"):
                _Config("x", **bad)


class SettingTest(unittest.TestCase):
    def test_describes_in_sentences(self):
        field = {field.name: field for field in dataclasses.fields(_Config)}
        self.assertEqual(setting_of(field["path"]).describe(), "Where it lies.")
        self.assertEqual(setting_of(field["rate"]).describe(),
                         "Rate of the steps. Unit: radians. Must be positive.")
        self.assertEqual(setting_of(field["steps"]).describe(), "What is done, in order. Of: turn, cut.")

    def test_a_field_without_default_is_required(self):
        with self.assertRaisesRegex(TypeError, "path"):
            _Config()

    def test_refuses_a_field_that_says_nothing(self):
        @dataclasses.dataclass
        class Silent:
            count: int = 3

        with self.assertRaisesRegex(TypeError, "Field 'count' must be declared by `setting`"):
            check_fields(Silent())


class LikeTest(unittest.TestCase):
    def test_means_the_same_but_for_what_is_said(self):
        @dataclasses.dataclass
        class Other:
            path: str = like(_Config, "path")
            share: float = like(_Config, "share", 0.0)
            count: int = like(_Config, "count", 9, help="how many of each", range="[0, inf)")

        path, share, count = dataclasses.fields(Other)
        self.assertIs(path.default, dataclasses.MISSING)
        original = dataclasses.fields(_Config)[1]
        self.assertEqual((share.default, setting_of(share)), (0.0, setting_of(original)))
        self.assertEqual((count.default, setting_of(count).describe()),
                         (9, "How many of each. Must not be negative."))
        with self.assertRaises(KeyError):
            like(_Config, "absent")


class RequireTest(unittest.TestCase):
    def test_names_what_came(self):
        require(True, "All is well.")
        with self.assertRaisesRegex(ValueError, "^It must hold. Received: a=1, b='x'.$"):
            require(False, "It must hold.", a=1, b="x")

    def test_names_the_allowed(self):
        require_member("kind", "a", iter(("a", "b")))
        with self.assertRaisesRegex(ValueError, "^`kind` must be one of a, b. Received: kind='c'.$"):
            require_member("kind", "c", iter(("a", "b")))

    def test_metadata_is_under_one_key(self):
        self.assertIn(settings.METADATA, dataclasses.fields(_Config)[0].metadata)


if __name__ == "__main__":
    unittest.main()
