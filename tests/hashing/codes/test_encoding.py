import os
import tempfile
import unittest
from unittest import mock

import cv2
import h5py
import numpy as np

from data_prep.records import manifest, shards
from data_prep.records.example import encode_example
from data_prep.records.pipeline import iterate_examples
from hashing.codes import code_shards, codes, encoding
from hashing.data import image_batches
from tests.fixtures import tiny_backbone, tiny_hashing_models, tiny_shards


def setUpModule():
    tiny_backbone.use()


class EncodeImagesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = folder.name
        tiny_shards.write_tiny_shards(f"{cls._made('shards')}")
        cls.model = tiny_hashing_models.write_model_dir(f"{cls.folder}/model")
        cls.encoder = encoding.Encoder(model_dir=f"{cls.folder}/model")
        cls.pattern = f"{cls.folder}/shards/train-*"
        cls.paths = encoding.encode_images(cls.encoder, cls.pattern, f"{cls.folder}/codes",
                                           keep_features=True, batch_size=5)

    @classmethod
    def _made(cls, name):
        path = os.path.join(cls.folder, name)
        os.makedirs(path)
        return path

    def test_a_shard_of_codes_for_each_shard_of_images(self):
        self.assertEqual([os.path.basename(path) for path in self.paths],
                         ["train-00000-of-00002.h5", "train-00001-of-00002.h5"])
        found = code_shards.read_codes(f"{self.folder}/codes")
        examples = list(iterate_examples(self.pattern))
        self.assertEqual(found.ids, [example.id for example in examples])
        np.testing.assert_array_equal(found.labels, [example.label for example in examples])
        images = np.concatenate([batch.numpy() for batch, _ in
                                 image_batches.encoding_batches(self.pattern, 32, 8)])
        expected = self.model(images.astype(np.float32), training=False)
        np.testing.assert_allclose(found.values, expected["codes"], atol=1e-4)
        np.testing.assert_allclose(found.features, expected["features"], atol=1e-3)
        np.testing.assert_array_equal(found.packed_codes, codes.pack(codes.binarize(found.values)))
        self.assertEqual(found.config["fingerprint"], self.encoder.fingerprint)
        self.assertEqual(code_shards.datasets_of(f"{self.folder}/codes"),
                         {manifest.manifest_beside(self.pattern).dataset})

    def test_codes_cut_after_encoding_are_those_cut_before(self):
        encoder = encoding.Encoder(model_dir=f"{self.folder}/model", num_bits=12)
        encoding.encode_images(encoder, self.pattern, f"{self.folder}/codes_12", keep_features=True)
        found = code_shards.read_codes(f"{self.folder}/codes_12")
        cut = code_shards.read_codes(f"{self.folder}/codes").cut(12)
        self.assertEqual((found.ids, found.code_size), (cut.ids, 12))
        for name in ("packed_codes", "values", "features"):
            np.testing.assert_allclose(getattr(found, name), getattr(cut, name), atol=1e-5)
        self.assertEqual(found.cut(8).packed_codes.shape[1], 1)
        with self.assertRaisesRegex(ValueError, "trained to have: 8, 12. Received: num_bits=16"):
            found.cut(16)

    def test_finished_shards_are_kept_and_others_refused(self):
        stamps = [os.stat(path).st_mtime_ns for path in self.paths]
        os.remove(self.paths[1])
        encoding.encode_images(self.encoder, self.pattern, f"{self.folder}/codes", keep_features=True)
        self.assertEqual(os.stat(self.paths[0]).st_mtime_ns, stamps[0])
        self.assertTrue(os.path.exists(self.paths[1]))
        with self.assertRaisesRegex(ValueError, "of another model, .* differ in: features"):
            encoding.encode_images(self.encoder, self.pattern, f"{self.folder}/codes")
        with mock.patch.object(self.encoder, "fingerprint", "another"), \
                self.assertRaisesRegex(ValueError, "differ in: fingerprint"):
            encoding.encode_images(self.encoder, self.pattern, f"{self.folder}/codes", keep_features=True)

    def test_an_image_that_does_not_decode_is_left_out(self):
        directory = self._made("damaged")
        good = cv2.imencode(".jpg", np.zeros((40, 40, 3), np.uint8))[1].tobytes()
        examples = [encode_example(good[:200] if number == 1 else good, f"photo{number}", "JPEG", 40, 40, 0)
                    for number in range(4)]
        shard = shards.write_shard(os.path.join(directory, shards.shard_name("test", 0, 1)), examples)
        manifest.save_manifest(manifest.Manifest("", "tiny", 0, 1, (0,), {
            "test": manifest.Split(4, 1, (0, 1), (shard,))}), directory)
        with self.assertRaisesRegex(ValueError, "`max_bad_fraction` = 0.1 .*the last is photo1"):
            encoding.encode_images(self.encoder, f"{directory}/test-*", f"{directory}/codes",
                                   max_bad_fraction=0.1)
        path, = encoding.encode_images(self.encoder, f"{directory}/test-*", f"{directory}/codes",
                                       batch_size=1, max_bad_fraction=0.5)
        self.assertEqual(code_shards.read_codes(path).ids, ["photo0", "photo2", "photo3"])
        self.assertEqual(code_shards.read_attributes(path)[1]["left_out"], ["photo1"])

    def test_refusals_of_models(self):
        for message, arguments in (
                ("Give one of `saved_model` and `model_dir`", {}),
                ("must be a folder written by hashing.export_model", {"saved_model": self.folder})):
            with self.subTest(message), self.assertRaisesRegex(ValueError, message):
                encoding.Encoder(**arguments)


class ReadCodesTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def _write(self, name, ids, fingerprint="f"):
        count = len(ids)
        code_shards.write_code_shard(f"{self.folder}/{name}.h5", code_shards.EncodedImages(
            ids, np.arange(count, dtype=np.int32), np.zeros((count, 1), np.uint8),
            np.zeros((count, 8), np.float32), np.zeros((count, 3 if count else 0), np.float32),
            {"fingerprint": fingerprint, "code_size": 8}), {"left_out": []})

    def test_shards_are_joined_and_an_empty_one_counts_for_nothing(self):
        for name, ids in (("a", ["é"]), ("b", []), ("c", ["x", "y"])):
            self._write(name, ids)
        found = code_shards.read_codes(f"{self.folder}/*.h5")
        self.assertEqual((found.ids, found.labels.tolist(), found.features.shape),
                         (["é", "x", "y"], [0, 0, 1], (3, 3)))
        self.assertEqual(found.take(found.labels == 0).ids, ["é", "x"])

    def test_refusals(self):
        with self.assertRaisesRegex(FileNotFoundError, "which matches none"):
            code_shards.read_codes(self.folder)
        self._write("a", ["x"])
        self._write("b", ["x"])
        with self.assertRaisesRegex(ValueError, "unique in .*Received: 'x' more than once"):
            code_shards.read_codes(self.folder)
        self._write("b", ["y"], "other")
        with self.assertRaisesRegex(ValueError, "of one model .*fingerprint=f, .*fingerprint=other"):
            code_shards.read_codes(self.folder)
        with h5py.File(f"{self.folder}/b.h5", "w") as file:
            file["ids"] = [1]
        with self.assertRaisesRegex(ValueError, "must be a code shard .*It holds: ids"):
            code_shards.read_codes(self.folder)
        with open(f"{self.folder}/b.h5", "w", encoding="utf-8") as file:
            file.write("text")
        with self.assertRaisesRegex(ValueError, "b.h5 must be a code shard .* It cannot be read"):
            code_shards.read_codes(self.folder)
        with self.assertRaisesRegex(FileNotFoundError, "c.h5 must be a code shard .* no such file"):
            code_shards.read_attributes(f"{self.folder}/c.h5")


if __name__ == "__main__":
    unittest.main()
