"""Bars count what goes by, and are silent where stderr is no terminal."""

import contextlib
import io
import unittest
from unittest import mock

from data_prep.stage import progress


class ProgressTest(unittest.TestCase):
    def test_items_pass_through_in_silence(self):
        with contextlib.redirect_stderr(io.StringIO()) as said, \
                mock.patch.object(progress.os, "isatty", return_value=False):
            self.assertEqual(list(progress.track(iter("abc"), "Working", 3)), ["a", "b", "c"])
        self.assertEqual(said.getvalue(), "")

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
