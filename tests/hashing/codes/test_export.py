import os
import tempfile
import unittest
from unittest import mock

import numpy as np
import tensorflow as tf

from data_prep.images import augment
from delg.exports.export_config import read_export_config
from hashing.codes import codes, encoding, export
from hashing.data import image_batches
from tests.fixtures import tiny_backbone, tiny_hashing_models


def setUpModule():
    tiny_backbone.use()


class ExportTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.model_dir, cls.export_dir = f"{folder.name}/model", f"{folder.name}/exported"
        cls.model = tiny_hashing_models.write_model_dir(cls.model_dir)
        cls.config = export.export(cls.model_dir, cls.export_dir)
        cls.signatures = tf.saved_model.load(cls.export_dir).signatures
        cls.images = np.random.default_rng(0).integers(0, 255, (3, 32, 32, 3), np.uint8)

    def test_batch_gives_what_the_model_gives(self):
        found = self.signatures["batch"](images=tf.constant(self.images))
        expected = self.model(self.images.astype(np.float32), training=False)
        for name in ("codes", "features"):
            np.testing.assert_allclose(found[name], expected[name], atol=1e-4)
        bits = codes.binarize(found["codes"].numpy())
        np.testing.assert_array_equal(found["packed_codes"], codes.pack(bits))
        self.assertEqual(found["packed_codes"].shape, (3, 2))

    def test_images_of_any_size_are_resized_as_those_of_shards(self):
        for size in ((90, 61), (37, 50), (20, 45)):  # shrinks, shrinks by less than the decoder can, grows
            with self.subTest(size):
                image = np.random.default_rng(1).integers(0, 255, (*size, 3), np.uint8)
                whole = augment.resize_whole(tf.io.encode_png(image), image_batches.resized_size(32))
                expected = self.signatures["batch"](images=image_batches.middle(whole[None], 32))
                found = self.signatures["serving_default"](images=tf.constant(image[None]))
                np.testing.assert_allclose(found["codes"], expected["codes"], atol=1e-5)

    def test_description_beside_the_model(self):
        self.assertEqual(read_export_config(self.export_dir), self.config)
        self.assertEqual((self.config["kind"], self.config["model"]["code_size"]), ("hashing", 16))

    def test_is_opened_as_its_model_is(self):
        encoder = encoding.Encoder(saved_model=self.export_dir)
        self.assertEqual((encoder.fingerprint, encoder.code_size, encoder.image_size),
                         (self.config["fingerprint"], 16, 32))
        expected = self.model(self.images.astype(np.float32), training=False)
        packed, values, features = encoder.encode(self.images)
        np.testing.assert_allclose(values, expected["codes"], atol=1e-4)
        np.testing.assert_allclose(features, expected["features"], atol=1e-4)
        np.testing.assert_array_equal(packed, codes.pack(codes.binarize(values)))

    def test_the_first_bits_are_a_model_of_their_own(self):
        folder = f"{self.export_dir}_12"
        config = export.export(self.model_dir, folder, num_bits=12)
        self.assertEqual((config["model"]["code_size"], config["fingerprint"]),
                         (12, self.config["fingerprint"]))
        found = tf.saved_model.load(folder).signatures["batch"](images=tf.constant(self.images))
        whole = self.signatures["batch"](images=tf.constant(self.images))
        np.testing.assert_allclose(found["codes"], whole["codes"][:, :12], atol=1e-5)
        np.testing.assert_array_equal(found["packed_codes"], codes.cut(whole["packed_codes"].numpy(), 12))
        shorter, cut = encoding.Encoder(folder), encoding.Encoder(self.export_dir, num_bits=12)
        for encoder in (shorter, cut):
            self.assertEqual((encoder.code_size, encoder.prefix_sizes), (12, (8,)))
        for part, same in zip(shorter.encode(self.images), cut.encode(self.images)):
            np.testing.assert_allclose(part, same, atol=1e-5)

    def test_other_lengths_than_those_trained_are_refused(self):
        for call in (lambda: export.export(self.model_dir, f"{self.export_dir}_10", num_bits=10),
                     lambda: encoding.Encoder(self.export_dir, num_bits=10)):
            with self.assertRaisesRegex(ValueError, "trained to have: 8, 12, 16. Received: num_bits=10"):
                call()

    def test_finished_export_is_kept_and_another_model_refused(self):
        before = os.stat(os.path.join(self.export_dir, "saved_model.pb")).st_mtime_ns
        export.export(self.model_dir, self.export_dir, "last")  # the same weights
        self.assertEqual(os.stat(os.path.join(self.export_dir, "saved_model.pb")).st_mtime_ns, before)
        with mock.patch.object(export.model_files, "fingerprint", lambda _: "another"), \
                self.assertRaisesRegex(ValueError, "export of another model; they differ in: fingerprint"):
            export.export(self.model_dir, self.export_dir)


if __name__ == "__main__":
    unittest.main()
