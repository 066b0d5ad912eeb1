import unittest

import numpy as np

from delg.fitting.schedules import WarmupDecay


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
