import unittest

from vae.networks.config import ModelConfig
from vae.training.config import PRESETS, TrainConfig, preset


class PresetTest(unittest.TestCase):
    def test_paper_has_the_weights_of_the_original(self):
        config = preset("paper", train_pattern="shards", model_dir="model")
        self.assertEqual(config, TrainConfig("shards", "model"))
        self.assertEqual((config.reconstruction_weight, config.kl_weight, config.cycle_weight,
                          config.cycle_kl_weight), (10, 0.01, 10, 0.01))
        self.assertEqual((config.learning_rate, config.beta_1, config.batch_size), (1e-4, 0.9, 32))
        self.assertEqual(config.image_adversarial_weight + config.latent_adversarial_weight
                         + config.translation_contrast_weight + config.relit_contrast_weight
                         + config.pair_contrast_weight, 0)

    def test_every_preset_makes_a_config_that_can_be_changed(self):
        for name in PRESETS:
            config = preset(name, train_pattern="shards", model_dir="model", num_steps=7)
            self.assertEqual(config.num_steps, 7)
        self.assertEqual(preset("paired", train_pattern="shards", model_dir="model").pairing, "frame")

    def test_refuses_an_unknown_preset(self):
        with self.assertRaisesRegex(ValueError, "`preset` must be one of paper, adversarial, paired"):
            preset("gan", train_pattern="shards", model_dir="model")


class ConfigTest(unittest.TestCase):
    def _refuses(self, message, **changes):
        with self.assertRaisesRegex(ValueError, message):
            TrainConfig("shards", "model", **changes)

    def test_refuses_what_cannot_be(self):
        self._refuses("`image_size` must be a multiple of 4.* image_size=30", image_size=30)
        self._refuses("`width` must be at least 1/64. Received: width=0.01", width=0.01)
        self._refuses("`descriptor_grid` must be at least 1", descriptor_grid=0)
        self._refuses("`normalization` must be one of instance, none", normalization="batch")
        self._refuses("`input_normalization` must be one of local, none", input_normalization="instance")
        self._refuses("`up_normalization` must be one of batch, instance, layer", up_normalization="none")
        self._refuses("`pairing` must be one of frame, place, none", pairing="day")
        self._refuses("`mixed_precision` must be one of float32, bfloat16", mixed_precision="float16")
        self._refuses("`schedule` must be one of linear, cosine, inverse_sqrt, plateau", schedule="step")
        self._refuses("`warmup_steps` must be at least 1", schedule="inverse_sqrt")  # which has none here
        self._refuses("`augmentation` must be one of none, crop", augmentation="strong")
        self._refuses("`temperature` must be positive. Received: temperature=0", temperature=0)
        self._refuses("`cycle_weight` must not be negative", cycle_weight=-1.0)
        self._refuses("`beta_1` must be in .0, 1.", beta_1=1.0)
        self._refuses("`plateau_factor` must be in .0, 1.", plateau_factor=1.0)
        self._refuses("`min_crop_area` must be in .0, 1.", min_crop_area=0.0)

    def test_pair_contrast_needs_pairs(self):
        self._refuses("`pair_contrast_weight` needs `pairing` frame or place. Received: pairing='none'",
                      pair_contrast_weight=1.0)

    def test_whitening_needs_centring(self):
        self._refuses("`whiten_latent` needs `center_latent`. Received: whiten_latent=True, center_latent=F",
                      whiten_latent=True)
        self._refuses("`weigh_parts` needs `center_latent`. Received: weigh_parts=True, center_latent=F",
                      weigh_parts=True)

    def test_the_model_part(self):
        config = TrainConfig("shards", "model", image_size=64, width=0.5, center_latent=True)
        self.assertEqual(config.model_config(), ModelConfig(64, 0.5, center_latent=True))


if __name__ == "__main__":
    unittest.main()
