import unittest

import numpy as np

from hashing.training.schedules import InverseSqrtWithWarmup


class InverseSqrtTest(unittest.TestCase):
    def test_by_hand(self):  # 0.1, up by 0.2 a step to 0.9 at 4, then 0.9 * sqrt(4 / n)
        schedule = InverseSqrtWithWarmup(0.9, 4, 0.1)
        np.testing.assert_allclose([float(schedule(step)) for step in (0, 1, 4, 9, 16)],
                                   [0.1, 0.3, 0.9, 0.6, 0.45], rtol=1e-6)

    def test_the_rates_of_the_re_implemented_system(self):
        schedule = InverseSqrtWithWarmup()
        np.testing.assert_allclose([float(schedule(step)) for step in (10_000, 60_000, 240_000)],
                                   [6.3e-4, 2.6e-4, 1.3e-4], rtol=0.01)

    def test_config_round_trip(self):
        config = InverseSqrtWithWarmup(0.1, 7, 1e-5, 0.3).get_config()
        self.assertEqual(InverseSqrtWithWarmup.from_config(config).get_config(), config)

    def test_refuses_no_warmup(self):
        with self.assertRaisesRegex(ValueError, "must be at least 1. Received: warmup_steps=0"):
            InverseSqrtWithWarmup(warmup_steps=0)


if __name__ == "__main__":
    unittest.main()
