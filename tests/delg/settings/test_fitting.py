"""Settings of the trainings: made and refused before TensorFlow is imported."""

import subprocess
import sys
import unittest


def _imported(code: str) -> list[str]:
    """Libraries that a process has imported after some code."""
    code += ("\nimport sys\nprint(*(name for name in ('tensorflow', 'keras', 'faiss', 'cv2') "
             "if name in sys.modules))")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                          timeout=60)
    return done.stdout.split()


class ImportsTest(unittest.TestCase):
    def test_settings_are_made_without_tensorflow(self):
        self.assertEqual(_imported(
            "import delg.settings.training as delg, hashing.training.config as hashing\n"
            "import vae.training.config as vae\n"
            "for schedule in ('linear', 'cosine'):\n"
            "    for package in (delg, hashing, vae):\n"
            "        package.TrainConfig('shards', 'model')\n"
            "    delg.TrainConfig('shards', 'model', schedule=schedule)\n"
            "    hashing.TrainConfig('shards', 'model', schedule=schedule, warmup_steps=0)\n"
            "vae.TrainConfig('shards', 'model', schedule='cosine')"), [])

    def test_a_warm_up_that_does_not_fit_is_refused_without_tensorflow(self):
        self.assertEqual(_imported(
            "from delg.settings.training import TrainConfig\n"
            "for schedule, steps, least in (('linear', 500_000, 0), ('inverse_sqrt', 0, 1)):\n"
            "    try:\n"
            "        TrainConfig('shards', 'model', schedule=schedule, warmup_steps=steps)\n"
            "    except ValueError as error:\n"
            "        assert f'`warmup_steps` must be at least {least}' in str(error), error\n"
            "    else:\n"
            "        raise AssertionError(schedule)"), [])


if __name__ == "__main__":
    unittest.main()
