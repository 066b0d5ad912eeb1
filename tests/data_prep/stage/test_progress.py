"""Bars count what goes by; where stderr is no terminal, a line now and then does."""

import contextlib
import io
import time
import unittest
from unittest import mock

from data_prep.stage import progress


class ProgressTest(unittest.TestCase):
    def test_items_pass_through_in_silence(self):
        with contextlib.redirect_stderr(io.StringIO()) as said, \
                mock.patch.object(progress.os, "isatty", return_value=False):
            self.assertEqual(list(progress.track(iter("abc"), "Working", 3)), ["a", "b", "c"])
        self.assertEqual(said.getvalue(), "")

    def test_a_file_gets_a_line_now_and_then(self):
        def slowly():
            for number in range(4_000):
                yield number
                if number % 1000 == 999:
                    time.sleep(0.05)

        for unit, line in (("images", r"(?m)^Working: \d,000 of 5,000 images, [\d,.]+ images/s, "
                                      r"0:0\d:\d\d left$"),
                           ("bytes", r"(?m)^Working: \d.0 kB of 5.0 kB, [\d.]+ kB/s, 0:0\d:\d\d left$")):
            with contextlib.redirect_stderr(io.StringIO()) as said, \
                    mock.patch.object(progress.os, "isatty", return_value=False), \
                    mock.patch.object(progress, "_LINE_SECONDS", 0.04):
                list(progress.track(slowly(), "Working", 5_000, unit))
            self.assertRegex(said.getvalue(), line)

    def test_a_terminal_sees_count_and_rate(self):
        with contextlib.redirect_stderr(io.StringIO()) as said, \
                mock.patch.object(progress.os, "isatty", return_value=True), \
                mock.patch.dict("os.environ", {"FORCE_COLOR": "1", "COLUMNS": "120"}):
            list(progress.track("abc", "Working", unit="queries"))
        self.assertRegex(said.getvalue(), r"(?s)Working.*3/3.* queries/s")

    def test_a_stage_says_its_seconds(self):
        with contextlib.redirect_stdout(io.StringIO()) as said, progress.stage("Training"):
            pass
        self.assertRegex(said.getvalue(), r"(?s)Training.*Training: 0 s")


if __name__ == "__main__":
    unittest.main()
