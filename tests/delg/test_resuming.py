import unittest

from delg import resuming


class PlanEpochsTest(unittest.TestCase):
    def test_whole_epochs_and_a_shorter_last_one(self):
        self.assertEqual(resuming.plan_epochs(0, 12, 5), [(0, 2, 5), (2, 3, 2)])

    def test_resumed_inside_an_epoch(self):
        self.assertEqual(resuming.plan_epochs(7, 20, 5), [(1, 2, 3), (2, 4, 5)])

    def test_resumed_inside_the_last_epoch(self):
        self.assertEqual(resuming.plan_epochs(11, 12, 5), [(2, 3, 1)])

    def test_nothing_left(self):
        self.assertEqual(resuming.plan_epochs(12, 12, 5), [])


class RefuseOtherSettingsTest(unittest.TestCase):
    def test_names_what_differs(self):
        with self.assertRaisesRegex(ValueError, "Received: folder, rate=0.1 then, 0.2 now"):
            resuming.refuse_other_settings("folder", {"rate": 0.1, "seed": 0}, {"rate": 0.2, "seed": 0}, ())

    def test_some_may_change(self):
        resuming.refuse_other_settings("folder", {"rate": 0.1}, {"rate": 0.2}, ("rate",))
