"""A job of a world that fails ends all: what runs is waited for, what has not begun is not."""

import functools
import pathlib
import tempfile
import time
import unittest

from data_prep.world import making


def fail_or_write(folder: str, job: int) -> None:
    if job == 0:
        raise ValueError("job 0")
    time.sleep(0.2)
    pathlib.Path(folder, str(job)).touch()


class MakingTest(unittest.TestCase):
    def test_a_job_that_fails_ends_the_others(self):
        with tempfile.TemporaryDirectory() as folder:
            with self.assertRaisesRegex(ValueError, "job 0"):
                making.run(functools.partial(fail_or_write, folder), range(100), [1] * 100, num_workers=2)
            written = len(list(pathlib.Path(folder).iterdir()))
            self.assertLess(written, 20)
            time.sleep(0.5)
            self.assertEqual(len(list(pathlib.Path(folder).iterdir())), written)


if __name__ == "__main__":
    unittest.main()
