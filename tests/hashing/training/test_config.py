import unittest

from hashing.training import config


def _train(**changes):
    return config.TrainConfig(train_pattern="t", model_dir="m", **changes)


class ConfigTest(unittest.TestCase):
    def test_presets_are_valid(self):
        for name in config.PRESETS:
            with self.subTest(name):
                config.preset(name, train_pattern="t", model_dir="m")

    def test_refusals(self):
        for message, changes in (
                ("must be a multiple of 4, at least 8. Received: code_size=10", {"code_size": 10}),
                ("`prefix_sizes` must be multiples of 4. Received: prefix_sizes=\\(10,\\)",
                 {"prefix_sizes": (10,)}),
                ("`prefix_sizes` must be at least 8", {"prefix_sizes": (4,)}),
                ("`backbone` must be one of resnet50, .* Received: backbone='x'", {"backbone": "x"}),
                ("`width` must be positive, and 1.0 for every backbone but resnet18",
                 {"backbone": "resnet50", "width": 0.5}),
                ("`image_size` must be at least 32. Received: image_size=16", {"image_size": 16}),
                ("`mining` must be one of batch_all", {"mining": "easy"}),
                ("`margin` must not be negative. Received: margin=-1", {"margin": -1}),
                ("One of `num_steps`, `head_steps` and `top_steps` must be above 0", {"num_steps": 0}),
                ("needs a backbone with layers behind .*Received: top_steps=5, backbone='vit_b16'",
                 {"top_steps": 5, "backbone": "vit_b16"}),
                ("needs a backbone with layers behind .*Received: top_steps=5, backbone='dinov2_vits14'",
                 {"top_steps": 5, "backbone": "dinov2_vits14"}),
                ("`backbone_learning_rate_factor` above 0. Received: top_steps=5",
                 {"top_steps": 5, "backbone_learning_rate_factor": 0.0}),
                ("`settle_steps` need `center_weight` above 0. Received: settle_steps=5, center_weight=0",
                 {"settle_steps": 5}),
                ("`top_share` below 1 needs .*Received: top_share=0.5, top_steps=5, settle_steps=0",
                 {"top_share": 0.5, "top_steps": 5}),
                ("`top_share` .* `num_steps` of 0. .*settle_steps=5, num_steps=60000",
                 {"top_share": 0.5, "top_steps": 5, "settle_steps": 5, "center_weight": 1.0}),
                ("`top_share` must be above 0, and at most 1|`top_share` must be in", {"top_share": 0.0}),
                ("`margin_per_bit` must be positive. Received: margin_per_bit=0", {"margin_per_bit": 0}),
                ("`head_views` must be positive. Received: head_views=0", {"head_views": 0}),
                ("multiple of `images_per_class`. Received: batch_size=10, images_per_class=4",
                 {"batch_size": 10, "images_per_class": 4}),
                ("`images_per_class` must be 0 or at least 2 .* Received: images_per_class=1",
                 {"images_per_class": 1}),
                ("`warmup_steps` must be at least 1", {"warmup_steps": 0}),
                ("`warmup_steps` must be at least 0, and below `num_steps`",
                 {"schedule": "linear", "warmup_steps": 10, "num_steps": 10}),
                ("must be above 0. Received: mining='none'", {"mining": "none"}),
                ("`min_crop_area` must be in", {"min_crop_area": 0}),
                ("`beta_2` must be in", {"beta_2": 1.0})):
            with self.subTest(message), self.assertRaisesRegex(ValueError, message):
                _train(**changes)

    def test_codes_may_be_cut_to_their_lengths_alone(self):
        model = config.preset("best", train_pattern="t", model_dir="m", code_size=24,
                              prefix_sizes=(16, 12, 24, 32)).model_config()
        self.assertEqual(model.lengths, (12, 16, 24))
        self.assertEqual(model.cut(0), model)
        self.assertEqual(model.cut(16).lengths, (12, 16))
        with self.assertRaisesRegex(ValueError, "trained to have: 12, 16, 24. Received: num_bits=32"):
            model.cut(32)

    def test_unknown_preset(self):
        with self.assertRaisesRegex(ValueError, "`preset` must be one of paper2019, paper2021, orthohash"):
            config.preset("worst", train_pattern="t", model_dir="m")


if __name__ == "__main__":
    unittest.main()
