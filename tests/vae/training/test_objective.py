import unittest

import keras
import numpy as np
import tensorflow as tf

from vae.networks.config import DOMAINS
from vae.networks.model import build_vae
from vae.training import losses
from vae.training.config import preset
from vae.training.objective import DayNightObjective
from vae.training.relighting import relight


def _batch(seed=0, size=8, count=2):
    generator = np.random.default_rng(seed)
    images = {domain: generator.integers(0, 255, (count, size, size, 3), dtype=np.uint8)
              for domain in DOMAINS}
    labels = {f"{domain}_label": np.arange(count) for domain in DOMAINS}
    return {name: tf.constant(value) for name, value in {**images, **labels}.items()}


def _objective(name, **changes):
    keras.utils.set_random_seed(1)
    config = preset(name, **{"train_pattern": "shards", "model_dir": "model", "image_size": 8,
                             "width": 1 / 16, "batch_size": 2, "descriptor_grid": 1, **changes})
    return DayNightObjective(build_vae(config.model_config()), config)


class PaperObjectiveTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.objective = _objective("paper")
        cls.batch = _batch()

    def test_terms_equal_the_networks_called_one_by_one(self):
        vae, objective = self.objective.vae, self.objective
        terms = objective.terms(self.batch, tf.constant(5, tf.int64), training=False)
        images = {domain: tf.cast(self.batch[domain], tf.float32) / 255 for domain in DOMAINS}

        def to_latent(images, domain, number):
            lower = vae.get_layer(f"{domain}_lower_encoder")(images)
            mean = vae.get_layer("upper_encoder")(lower)["latent"]
            return mean, mean + tf.random.stateless_normal(mean.shape, [number, 5])

        def to_images(latent, domain):
            return vae.get_layer(f"{domain}_upper_decoder")(vae.get_layer("lower_decoder")(latent))

        day_mean, day = to_latent(images["day"], "day", 0)
        night_mean, night = to_latent(images["night"], "night", 1)
        night_as_day_mean, night_as_day = to_latent(to_images(night, "day"), "day", 2)
        day_as_night_mean, day_as_night = to_latent(to_images(day, "night"), "night", 3)
        difference = losses.mean_absolute_difference
        expected = {
            "reconstruction": difference(images["day"], to_images(day, "day"))
            + difference(images["night"], to_images(night, "night")),
            "kl": tf.reduce_mean(day_mean**2) + tf.reduce_mean(night_mean**2),
            "cycle": difference(images["day"], to_images(day_as_night, "day"))
            + difference(images["night"], to_images(night_as_day, "night")),
            "cycle_kl": tf.reduce_mean(night_as_day_mean**2) + tf.reduce_mean(day_as_night_mean**2)}
        self.assertEqual(set(terms), set(expected))
        for name, value in expected.items():
            self.assertAlmostEqual(float(terms[name]), float(value), places=5, msg=name)
        total = 10 * (expected["reconstruction"] + expected["cycle"])
        total += 0.01 * (expected["kl"] + expected["cycle_kl"])
        self.assertAlmostEqual(float(objective.total(terms)), float(total), places=4)

    def test_noise_follows_the_step_alone(self):
        first, again, other = (
            float(self.objective.terms(self.batch, tf.constant(step, tf.int64), False)["reconstruction"])
            for step in (1, 1, 2))
        self.assertEqual(first, again)
        self.assertNotEqual(first, other)

    def test_a_step_moves_every_weight_once(self):
        objective = _objective("paper")
        objective.compile(optimizer=keras.optimizers.SGD(0.5), run_eagerly=True)
        batch = _batch()
        with tf.GradientTape() as tape:
            total = objective.total(objective.terms(batch, tf.constant(0, tf.int64), training=True))
        gradients = tape.gradient(total, objective.vae.trainable_weights)
        before = [weight.numpy() for weight in objective.vae.trainable_weights]
        objective.train_step(batch)
        self.assertEqual(int(objective.optimizer.iterations), 1)
        for weight, old, gradient in zip(objective.vae.trainable_weights, before, gradients):
            np.testing.assert_allclose(weight, old - 0.5 * gradient, atol=1e-5, err_msg=weight.name)
            self.assertGreater(np.abs(gradient).max(), 0, weight.name)
        moved = [id(weight) for weight in objective.trainable_weights]
        self.assertEqual(len(moved), len(set(moved)))


class AdversarialObjectiveTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.objective = _objective("paired", learn_variance=True)
        cls.batch = _batch()

    def test_terms(self):
        terms = self.objective.terms(self.batch, tf.constant(0, tf.int64), training=True)
        self.assertEqual(set(terms), {"reconstruction", "kl", "cycle", "cycle_kl", "deception", "domain",
                                      "translation_contrast", "relit_contrast", "pair_contrast",
                                      "discriminator"})
        self.assertTrue(all(np.isfinite(float(value)) for value in terms.values()))

    def test_relit_contrast_is_of_two_versions_seen_by_either_encoder(self):
        objective, batch = _objective("paired", descriptor_grid=2), _batch(count=3)  # a part is a cell
        vae = objective.vae
        matrix = np.random.default_rng(2).normal(size=vae.get_layer("latent_whitening").matrix.shape)
        vae.get_layer("latent_whitening").matrix.assign(matrix)
        both = np.concatenate([batch[domain] for domain in DOMAINS]).astype(np.float32) / 255
        described = []
        for domain, number in (("day", 6), ("night", 7)):
            relit = relight(both, tf.constant([number, 5], tf.int64))
            lower = vae.get_layer(f"{domain}_lower_encoder")(relit)
            latent = vae.get_layer("upper_encoder")(lower)["latent"].numpy()
            for half in (latent[:3], latent[3:]):
                half -= half.mean(axis=0)
            rows = (latent @ matrix).reshape(len(latent), -1)
            described.append(rows / np.linalg.norm(rows, axis=1, keepdims=True))
        expected = losses.info_nce(*described, 0.1)
        terms = objective.terms(batch, tf.constant(5, tf.int64), training=False)
        self.assertAlmostEqual(float(terms["relit_contrast"]), float(expected), places=4)

    def test_each_side_is_moved_by_its_own_loss(self):
        objective = self.objective
        objective.compile(optimizer=keras.optimizers.SGD(0.01), run_eagerly=True)
        step = tf.constant(0, tf.int64)
        with tf.GradientTape(persistent=True) as tape:
            terms = objective.terms(self.batch, step, training=True)
            total, judged = objective.total(terms), terms["discriminator"]
        discriminator = objective.discriminators["day"].trainable_weights[0]
        decoder = objective.vae.get_layer("day_upper_decoder").trainable_weights[0]
        expected = {weight.name: weight.numpy() - 0.01 * tape.gradient(loss, weight).numpy()
                    for weight, loss in ((discriminator, judged), (decoder, total))}
        objective.train_step(self.batch)
        for weight in (discriminator, decoder):
            np.testing.assert_allclose(weight, expected[weight.name], atol=1e-5)

    def test_encoder_is_moved_against_the_domain_classifier(self):
        objective = self.objective
        encoder = objective.vae.get_layer("upper_encoder").trainable_weights[0]
        hidden, logit = (objective.classifier.get_layer(name) for name in ("cell_hidden", "cell_logit"))
        images = {domain: tf.cast(self.batch[domain], tf.float32) / 255 for domain in DOMAINS}
        found = []
        for through in (lambda latent: hidden(latent), lambda latent: hidden(
                objective.classifier.get_layer("reversal")(latent))):
            with tf.GradientTape() as tape:
                posteriors = objective._encode(images, training=False)
                logits = [logit(tf.nn.leaky_relu(through(posteriors[domain][0]), 0.2)) for domain in DOMAINS]
                loss = losses.domain_loss(*logits)
            found.append(tape.gradient(loss, encoder).numpy())
        self.assertGreater(np.abs(found[0]).max(), 0)
        np.testing.assert_allclose(found[1], -found[0], atol=1e-7)


if __name__ == "__main__":
    unittest.main()
