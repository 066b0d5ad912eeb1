import os
import tempfile
import unittest

import numpy as np
import tensorflow as tf

from delg.exported_models import ExportedModel
from delg.extraction_module import ExtractionModule
from tests.delg.tiny_extraction import RECEPTIVE_FIELD, block_image, tiny_model


class OurExportTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = folder.name
        ExtractionModule(tiny_model(), RECEPTIVE_FIELD, attention_threshold=150.0).save(cls.folder)

    def test_arrays_in_arrays_out(self):
        outputs = ExportedModel(self.folder).extract(
            block_image(32, 32, (4, 8), (8, 12)), (0.5, 1.0), [1], max_num_features=5, threshold=100.0)
        expected = {"boxes": [[4, 8, 7, 11]], "features": [[200, 0, 0]], "scales": [1], "scores": [[200]],
                    "global_descriptors": [[1, 0, 0]]}
        self.assertEqual(set(outputs), set(expected))
        for name, values in expected.items():
            np.testing.assert_allclose(outputs[name], values, err_msg=name)

    def test_tells_the_learnt_threshold_and_its_weights(self):
        model = ExportedModel(self.folder)
        self.assertEqual(model.attention_threshold, 150)
        self.assertRegex(model.fingerprint, "^[0-9a-f]{64}$")


class RefusalTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def test_refuses_a_folder_without_a_model(self):
        with self.assertRaisesRegex(FileNotFoundError, "No saved_model.pb in: .*nowhere"):
            ExportedModel(os.path.join(self.folder, "nowhere"))

    def test_refuses_a_model_without_the_signature(self):
        tf.saved_model.save(tf.Module(), self.folder)
        with self.assertRaisesRegex(ValueError, "`serving_default` with the inputs input_image,.*None"):
            ExportedModel(self.folder)


if __name__ == "__main__":
    unittest.main()
