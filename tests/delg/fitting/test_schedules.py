import unittest

import numpy as np

from delg.fitting.schedules import InverseSqrtWithWarmup, WarmupDecay


def _rates(schedule, steps):
    return [float(schedule(step)) for step in steps]


class WarmupDecayTest(unittest.TestCase):
    def test_linear_by_hand(self):
        rates = _rates(WarmupDecay(0.8, 4), range(6))
        np.testing.assert_allclose(rates, [0.8, 0.6, 0.4, 0.2, 0, 0], atol=1e-7)

    def test_warm_up_rises_in_equal_steps_to_the_full_rate(self):
        np.testing.assert_allclose(_rates(WarmupDecay(0.4, 13, warmup_steps=3), (0, 1, 2, 3, 8, 13)),
                                   [0.1, 0.2, 0.3, 0.4, 0.2, 0.0], atol=1e-7)

    def test_cosine_by_hand(self):  # full, (1 + cos 60 deg) / 2, half, none
        np.testing.assert_allclose(_rates(WarmupDecay(1.0, 6, form="cosine"), (0, 2, 3, 6)),
                                   [1.0, 0.75, 0.5, 0.0], atol=1e-6)

    def test_config_round_trip(self):
        config = WarmupDecay(0.1, 10, 2, "cosine").get_config()
        self.assertEqual(WarmupDecay.from_config(config).get_config(), config)

    def test_refuses_unknown_form(self):
        with self.assertRaisesRegex(ValueError, "`form` must be one of linear, cosine."):
            WarmupDecay(0.1, 10, form="step")

    def test_refuses_warm_up_of_the_whole_training(self):
        with self.assertRaisesRegex(ValueError, "warmup_steps=10, num_steps=10"):
            WarmupDecay(0.1, 10, warmup_steps=10)


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
