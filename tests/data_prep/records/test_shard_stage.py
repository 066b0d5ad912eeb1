"""A stage keeps what is finished, refuses what does not belong, and stops when too much is bad."""

import os
import unittest

from data_prep.records import shard_stage
from tests.fixtures.temporary_files import FilesTest
from tests.fixtures.tiny_extraction import write_records


class PlanShardsTest(FilesTest):
    def setUp(self):
        super().setUp()
        self.pattern = write_records(self.path("records"), {f"image{number}": b"x" for number in range(5)},
                                     num_shards=2)
        self.notes = {}  # path -> attributes

    def plan(self, settings=None):
        with shard_stage.plan_shards(self.pattern, self.path("made"), settings or {"scale": 1},
                                     self.notes.__getitem__, {"crop": 0}) as plan:
            return plan

    def finish(self, row, left_out=(), sha256=None):
        """Makes the shard of a place as a stage would."""
        _, output, entry = self.plan().todo[row]
        self.write(os.path.relpath(output, self.directory))
        self.notes[output] = ({"scale": 1}, {"source_sha256": sha256 or entry.sha256,
                                             "left_out": list(left_out)})
        return output

    def test_all_is_to_do_at_first(self):
        plan = self.plan()
        self.assertEqual([os.path.basename(output) for output in plan.outputs],
                         ["index-00000-of-00002.h5", "index-00001-of-00002.h5"])
        self.assertEqual(([output for _, output, _ in plan.todo], plan.num_images, plan.num_bad),
                         (plan.outputs, 5, 0))

    def test_what_is_finished_is_kept_and_its_bad_images_count(self):
        finished = self.finish(0, left_out=["image2"])
        plan = self.plan()
        self.assertEqual([output for _, output, _ in plan.todo], [plan.outputs[1]])
        self.assertEqual((plan.outputs[0], plan.num_bad), (finished, 1))

    def test_a_setting_that_came_later_had_its_default(self):
        self.finish(0)
        self.assertEqual(len(self.plan({"scale": 1, "crop": 0}).todo), 1)
        with self.assertRaisesRegex(ValueError, "differ in: crop"):
            self.plan({"scale": 1, "crop": 2})

    def test_refusals(self):
        self.finish(0)
        with self.assertRaisesRegex(ValueError, "-00000-of-00002.h5 must be what would be made now. "
                                                "Rec.* differ in: scale. Remove it, or choose"):
            self.plan({"scale": 2})
        self.notes.clear()
        os.remove(self.path("made/index-00000-of-00002.h5"))
        self.finish(0, sha256="of other images")
        with self.assertRaisesRegex(ValueError, "differ in: images"):
            self.plan()
        self.write("made/index-00000-of-00003.h5")
        with self.assertRaisesRegex(ValueError, "another numbering than -of-00002. Received: .*-of-00003.h5"):
            self.plan()

    def test_what_is_left_out_is_joined_by_split(self):
        outputs = [self.finish(0, ["image2"]), self.finish(0, ["image1", "image3"])]
        shard_stage.write_left_out(outputs[:1], self.notes.__getitem__)
        with open(self.path("made/index.left_out.json"), encoding="utf-8") as file:
            self.assertEqual(file.read(), '["image2", "image1", "image3"]')


class BadImageLimitTest(unittest.TestCase):
    def test_the_share_itself_is_allowed(self):
        limit = shard_stage.BadImageLimit(0.25, num_images=8, num_bad=1)
        limit.count({"image": "x", "reason": "broken"})
        with self.assertRaisesRegex(ValueError, "= 0.25 of 8 images .* 3 bad ones, the last is y: torn"):
            limit.count({"image": "y", "reason": "torn"})


if __name__ == "__main__":
    unittest.main()
