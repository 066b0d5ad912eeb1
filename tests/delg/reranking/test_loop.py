import dataclasses
import shutil
import tempfile
import unittest

import numpy as np
import tensorflow as tf

from delg.features.reader import FeatureReader
from delg.networks import model_files
from delg.reranking import loop
from delg.reranking.batches import PairBatches
from delg.reranking.network import load_reranker
from delg.reranking.scoring import PairScorer
from delg.reranking.training_pairs import TrainingPairs
from tests.fixtures import eager, model_dirs, tiny_pairs


def setUpModule():
    global _folder
    eager.run_eagerly()
    _folder = tempfile.mkdtemp()
    unittest.addModuleCleanup(shutil.rmtree, _folder)
    tiny_pairs.write(_folder)


class TrainTest(unittest.TestCase):
    def test_learns_to_tell_pairs_that_match_of_landmarks_never_seen(self):
        config = tiny_pairs.config(_folder, model_dir=f"{_folder}/learnt", num_steps=16, steps_per_epoch=16,
                                   heldout_fraction=0.4)
        loop.train(config)
        num_images = tiny_pairs.NUM_LANDMARKS * tiny_pairs.VIEWS
        with FeatureReader(config.features) as images:
            scorer = PairScorer(f"{config.model_dir}/saved_model", images, images)
            logits = np.array([scorer.logits(row, range(num_images)) for row in range(num_images)])
        landmarks = np.arange(num_images) // tiny_pairs.VIEWS
        is_match = landmarks[:, None] == landmarks
        self.assertGreater(logits[is_match].min(), logits[~is_match].max())


class FinishedTest(unittest.TestCase):
    """What follows from one training of a few steps."""

    @classmethod
    def setUpClass(cls):
        cls.config = tiny_pairs.config(_folder, heldout_fraction=0.4)
        cls.stored = loop.train(cls.config)
        cls.saved_model = f"{cls.config.model_dir}/saved_model"

    def test_resumed_run_ends_like_the_uninterrupted_one(self):
        killed = dataclasses.replace(self.config, model_dir=f"{_folder}/killed", backup_steps=1)
        model_dirs.kill_after_first_backup("delg.train_reranker", killed)
        loop.train(killed)
        model_dirs.assert_same_weights(self, killed.model_dir, self.config.model_dir)

    def test_a_finished_training_is_left_alone(self):
        before = model_dirs.read_weights(self.config.model_dir)
        self.assertEqual(loop.train(self.config), self.stored)
        np.testing.assert_equal(model_dirs.read_weights(self.config.model_dir), before)

    def test_refuses_other_settings(self):
        with self.assertRaisesRegex(ValueError, "num_hard=4 then, 3 now"):
            loop.train(dataclasses.replace(self.config, num_hard=3))

    def test_config_of_the_model(self):
        self.assertEqual(model_files.read_config(self.config.model_dir), self.stored)
        self.assertEqual(set(self.stored["best"]), {"epoch", "step", "val_loss"})
        self.assertEqual(self.stored["model"]["descriptor_dim"], 0)
        self.assertEqual(self.stored["features_fingerprint"], "")

    def test_the_export_gives_what_the_model_gives(self):
        model, _ = load_reranker(self.config.model_dir)
        with FeatureReader(self.config.features) as images:
            pairs = TrainingPairs(self.config, images)
            inputs, _ = next(iter(PairBatches(self.config, images, pairs).heldout()))
            rows, _ = next(pairs.heldout(self.config.batch_size))
            scorer = PairScorer(self.saved_model, images, images)
            found = np.concatenate([scorer.logits(query, [row]) for query, row in rows])
        np.testing.assert_allclose(found, model(inputs)["logit"], rtol=1e-4, atol=1e-5)

    def test_images_without_local_features_have_no_score(self):
        with FeatureReader(self.config.features) as images:
            scorer = PairScorer(self.saved_model, images, images)
            blank = images.row_of["blank"]
            self.assertEqual(np.isnan(scorer.logits(0, [1, blank, 2])).tolist(), [False, True, False])
            self.assertTrue(np.isnan(scorer.logits(blank, [0, 1])).all())

    def test_refuses_what_is_no_re_ranker_or_one_for_other_features(self):
        with FeatureReader(self.config.features) as images:
            with self.assertRaisesRegex(FileNotFoundError, "delg.train_reranker makes it. No saved_model.pb"):
                PairScorer(_folder, images, images)
            of_features = dataclasses.replace(
                self.config, model_dir=f"{_folder}/features", tokens="local_features", num_features=10,
                num_steps=1, warmup_steps=0, heldout_fraction=0.0)
            stored = loop.train(of_features)
            self.assertEqual(stored["model"]["descriptor_dim"], tiny_pairs.DIMENSION)
            images.config["fingerprint"] = "other"
            PairScorer(self.saved_model, images, images)  # reads places and cosines, which any model gives
            with self.assertRaisesRegex(ValueError, f"those of '{tiny_pairs.FINGERPRINT}', features of 'oth"):
                PairScorer(f"{of_features.model_dir}/saved_model", images, images)


class BatchesTest(unittest.TestCase):
    def test_every_type_of_stored_descriptors_serves(self):
        for dtype in ("float32", "float16", "int8", "binary"):
            with self.subTest(dtype), tempfile.TemporaryDirectory() as folder:
                tiny_pairs.write(folder, dtype)
                config = tiny_pairs.config(folder)
                with FeatureReader(config.features) as images:
                    batches = PairBatches(config, images, TrainingPairs(config, images))
                    first, again = (next(iter(batches.training(2, 4, 0, 1))) for _ in range(2))
                inputs, targets = first
                tf.nest.map_structure(np.testing.assert_array_equal, first, again)
                self.assertEqual(targets["logit"].numpy().tolist(), [1, 1, 0, 0])
                norms = np.linalg.norm(inputs["query_descriptors"], axis=-1)[inputs["query_mask"].numpy()]
                np.testing.assert_allclose(norms, 1, atol=1e-5)
                self.assertEqual(inputs["index_places"].shape, (4, config.num_features, 3))


if __name__ == "__main__":
    unittest.main()
