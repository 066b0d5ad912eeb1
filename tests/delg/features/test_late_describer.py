import json
import os
import tempfile
import unittest

import numpy as np

from delg.exports import saving
from delg.exports.extraction_module import ExtractionModule
from delg.features.describing import ImageDescriber
from delg.features.late_describer import LateDescriber, describer_like
from delg.settings.extraction import ExtractConfig
from tests.fixtures.feature_shards import write_feature_shard
from tests.fixtures.shard_folder import make_shard
from tests.fixtures.tiny_extraction import RECEPTIVE_FIELD, as_png, block_image, tiny_model


class DescriberLikeTest(unittest.TestCase):
    def test_needs_no_model_until_it_describes_though_features_are_older_than_a_setting(self):
        with tempfile.TemporaryDirectory() as folder:
            saved_model, features = os.path.join(folder, "model"), os.path.join(folder, "index.h5")
            saving.write_export(ExtractionModule(tiny_model(), RECEPTIVE_FIELD, 150.0).save,
                                {"attention_threshold": 150.0, "fingerprint": "ours"}, saved_model)
            config = ExtractConfig(global_scales=(1.0,), local_scales=(1.0,), precision="float32")
            described = json.loads(json.dumps(ImageDescriber(saved_model, config).settings))
            del described["scale_power"]  # came later than these features
            write_feature_shard(features, make_shard("ab", [1] * 2, config=described))
            found = describer_like(saved_model, config, folder)
            self.assertIsInstance(found, LateDescriber)
            image = found.prepare(as_png(block_image(64, 64, (8, 12), (8, 12))))
            self.assertEqual(found.describe_prepared([image])[0].image_size, (64, 64))
            other = describer_like(saved_model, ExtractConfig(
                global_scales=(1.0,), local_scales=(1.0,), scale_power=np.inf), folder)
            self.assertIsInstance(other, ImageDescriber)
