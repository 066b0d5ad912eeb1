import unittest

from delg.settings.stages import Stages, read_stages
from delg.settings.training import TrainConfig


class ReadStagesTest(unittest.TestCase):
    def test_a_number_stands_for_all_steps(self):
        self.assertEqual(read_stages("image_size", 321, 10, 100), Stages((321,), (0,)))

    def test_each_number_holds_from_its_step_on(self):
        stages = read_stages("image_size", "224:0,321:30,512:60", 10, 100)
        self.assertEqual([stages.at(step) for step in (0, 29, 30, 59, 60, 100)],
                         [224, 224, 321, 321, 512, 512])

    def test_refuses_other_texts(self):
        for given in ("224", "224:0,321", "224:5", "224:0,321:30,512:30", "0:0", "a:0", ""):
            with self.assertRaisesRegex(ValueError, f"`image_size` must be .* image_size='{given}'"):
                read_stages("image_size", given, 10, 100)
        with self.assertRaisesRegex(ValueError, "must be a positive number.* Received: image_size=0"):
            TrainConfig("shards", "model", image_size=0)

    def test_refuses_changes_inside_an_epoch_or_after_the_end(self):
        for given in ("224:0,321:35", "224:0,321:100"):
            with self.assertRaisesRegex(ValueError, f"between epochs.*='{given}', steps_per_epoch=10, num"):
                read_stages("image_size", given, 10, 100)
