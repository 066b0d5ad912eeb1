"""What a double VAE is trained for: a keras.Model around it whose step has two losses and one optimizer."""

from __future__ import annotations

import keras
import tensorflow as tf

from vae.networks.config import DOMAINS
from vae.networks.discriminators import NUM_SCALES, build_domain_classifier, build_image_discriminator
from vae.networks.layers import LatentPooling
from vae.networks.model import compared_latent, other_domain, weighed_latent
from vae.training import losses
from vae.training.config import TrainConfig
from vae.training.relighting import relight

_VALIDATION_STEP = -1  # in place of a training step, for the noise of validation
_SAME = tuple((domain, domain) for domain in DOMAINS)
_ACROSS = tuple((domain, other_domain(domain)) for domain in DOMAINS)
_PURPOSES = 8  # of random numbers: four draws from posteriors, two relightings of translations, two of images
_RELIGHTING = 4
_RELIGHTING_OF_IMAGES = 6
_MAX_REPLICAS = 1 << 16  # more than there are; keeps the noise of replicas and seeds apart


class DayNightObjective(keras.Model):
    """The losses of a VAE on batches of day and of night images, and the judges it is trained against.

    `fit` takes batches of `day_night_images`. Every variable is moved once a step: those of the judges by
    their own loss, all others by the weighted sum of the VAE's terms, by one optimizer.

    Noise depends on the seed, the step and the replica alone, so that a resumed training repeats it.

    Args:
        vae: from `build_vae`.
        config: weights of the losses.
    """

    def __init__(self, vae: keras.Model, config: TrainConfig):
        super().__init__(name="day_night_objective")
        self.vae = vae
        self.config = config
        self.pooling = LatentPooling(config.descriptor_grid, name="descriptor_pooling")
        self.classifier = None
        self.discriminators = {}
        if config.latent_adversarial_weight:
            channels = vae.get_layer("upper_encoder").input_shape[-1]
            self.classifier = build_domain_classifier(channels, config.descriptor_grid)
        if config.image_adversarial_weight:
            self.discriminators = {domain: build_image_discriminator(config.width, f"{domain}_discriminator")
                                   for domain in DOMAINS}
        self._means: dict[str, keras.metrics.Mean] = {}
        for name in self._term_names():
            self._means[name] = keras.metrics.Mean(name=name)

    def _term_names(self) -> list[str]:
        names = ["loss", *self.term_weights()]
        return names + (["discriminator"] if self.discriminators else [])

    def term_weights(self) -> dict[str, float]:
        """Weight of each term of the VAE's loss that is used."""
        config = self.config
        weights = {"reconstruction": config.reconstruction_weight, "kl": config.kl_weight,
                   "cycle": config.cycle_weight, "cycle_kl": config.cycle_kl_weight,
                   "deception": config.image_adversarial_weight, "domain": config.latent_adversarial_weight,
                   "translation_contrast": config.translation_contrast_weight,
                   "relit_contrast": config.relit_contrast_weight,
                   "pair_contrast": config.pair_contrast_weight}
        return {name: weight for name, weight in weights.items() if weight}

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        return list(self._means.values())

    def train_step(self, batch):
        with tf.GradientTape(persistent=True) as tape:
            terms = self.terms(batch, self.optimizer.iterations, training=True)
            replicas = tf.distribute.get_strategy().num_replicas_in_sync
            judged = terms.get("discriminator", 0.0) / replicas
            total = self.total(terms) / replicas
        judges = self._judge_weights()
        moved = self.trainable_weights  # those of the judges come last
        others = moved[:-len(judges)] if judges else moved
        gradients = tape.gradient(total, others) + (tape.gradient(judged, judges) if judges else [])
        self.optimizer.apply_gradients(zip(gradients, moved))
        return self._updated(terms)

    def _judge_weights(self) -> list[tf.Variable]:
        return [weight for judge in self.discriminators.values() for weight in judge.trainable_weights]

    def test_step(self, batch):
        return self._updated(self.terms(batch, tf.constant(_VALIDATION_STEP, tf.int64), training=False))

    def total(self, terms: dict[str, tf.Tensor]) -> tf.Tensor:
        """Weighted sum of the VAE's terms, float32 []."""
        return tf.add_n([weight * terms[name] for name, weight in self.term_weights().items()])

    def _updated(self, terms: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        for name, value in {"loss": self.total(terms), **terms}.items():
            self._means[name].update_state(value)
        return {name: mean.result() for name, mean in self._means.items()}

    def terms(self, batch: dict[str, tf.Tensor], step: tf.Tensor, training: bool) -> dict[str, tf.Tensor]:
        """The terms of `term_weights`, and the discriminators' loss as `discriminator`; float32 [] each.

        Args:
            batch: see `day_night_images`.
            step: int64, [], of the training.
            training: of BatchNorm.
        """
        images = {domain: tf.cast(batch[domain], tf.float32) / 255.0 for domain in DOMAINS}
        posteriors = self._encode(images, training)
        decoded = self._decode(self._sample(posteriors, step, 0), _SAME + _ACROSS, training)
        reconstructions = {domain: decoded[domain, domain] for domain in DOMAINS}
        translations = {domain: decoded[other_domain(domain), domain] for domain in DOMAINS}  # by new domain
        again = self._encode(translations, training)
        back = self._decode(self._sample(again, step, len(DOMAINS)), _ACROSS, training)
        cycles = {domain: back[other_domain(domain), domain] for domain in DOMAINS}

        def summed(term) -> tf.Tensor:
            return tf.add_n([term(domain) for domain in DOMAINS])

        terms = {
            "reconstruction": summed(
                lambda domain: losses.mean_absolute_difference(images[domain], reconstructions[domain])),
            "kl": summed(lambda domain: losses.kl_divergence(*posteriors[domain])),
            "cycle": summed(lambda domain: losses.mean_absolute_difference(images[domain], cycles[domain])),
            "cycle_kl": summed(lambda domain: losses.kl_divergence(*again[domain]))}
        if self.discriminators:
            terms["deception"], terms["discriminator"] = self._adversarial(images, translations, training)
        if self.classifier:
            logits = {domain: self.classifier(posteriors[domain][0], training=training) for domain in DOMAINS}
            terms["domain"] = tf.add_n([losses.domain_loss(day, night)
                                        for day, night in zip(logits["day"], logits["night"])])
        relit = None
        if self.config.translation_contrast_weight:
            # Without their gradient: translations would learn to carry hidden marks.
            relit = self._encode({domain: relight(tf.stop_gradient(translations[domain]),
                                                  self._seed(step, _RELIGHTING + number))
                                  for number, domain in enumerate(DOMAINS)}, training)
        if self.config.relit_contrast_weight:
            terms["relit_contrast"] = self._relit_contrast(images, step, training)
        terms.update(self._contrasts(batch, posteriors, relit, training))
        return {name: value for name, value in terms.items()
                if name in self.term_weights() or name == "discriminator"}

    def _encode(self, images: dict[str, tf.Tensor], training: bool) -> dict:
        """Mean and log variance (None: zero) of the posterior of each domain's images."""
        lower = [self.vae.get_layer(f"{domain}_lower_encoder")(images[domain], training=training)
                 for domain in DOMAINS]
        maps = self.vae.get_layer("upper_encoder")(tf.concat(lower, axis=0), training=training)
        means = tf.split(tf.cast(maps["latent"], tf.float32), len(DOMAINS))
        if "log_variance" not in maps:
            return {domain: (mean, None) for domain, mean in zip(DOMAINS, means)}
        return {domain: (mean, log_variance) for domain, mean, log_variance in
                zip(DOMAINS, means, tf.split(tf.cast(maps["log_variance"], tf.float32), len(DOMAINS)))}

    def _decode(self, latents: dict[str, tf.Tensor], wanted: tuple[tuple[str, str], ...],
                training: bool) -> dict[tuple[str, str], tf.Tensor]:
        """Images of the wanted (domain of the latent, domain of the decoder)."""
        lower = self.vae.get_layer("lower_decoder")(
            tf.concat([latents[domain] for domain in DOMAINS], axis=0), training=training)
        maps = dict(zip(DOMAINS, tf.split(lower, len(DOMAINS))))
        images = {}
        for target in DOMAINS:
            pairs = [pair for pair in wanted if pair[1] == target]
            decoded = self.vae.get_layer(f"{target}_upper_decoder")(
                tf.concat([maps[source] for source, _ in pairs], axis=0), training=training)
            images.update(zip(pairs, tf.split(decoded, len(pairs))))
        return images

    def _sample(self, posteriors: dict, step: tf.Tensor, first_number: int) -> dict[str, tf.Tensor]:
        """A draw from the posterior of each domain."""
        drawn = {}
        for number, domain in enumerate(DOMAINS, start=first_number):
            mean, log_variance = posteriors[domain]
            noise = tf.random.stateless_normal(tf.shape(mean), self._seed(step, number))
            drawn[domain] = mean + (noise if log_variance is None else tf.exp(0.5 * log_variance) * noise)
        return drawn

    def _seed(self, step: tf.Tensor, number: int) -> tf.Tensor:
        """Seed of the random numbers of one purpose at a step on this replica, int64 [2]."""
        replica = tf.distribute.get_replica_context()
        replica_id = replica.replica_id_in_sync_group if replica else 0
        stream = (self.config.seed * _MAX_REPLICAS + tf.cast(replica_id, tf.int64)) * _PURPOSES + number
        return tf.stack([stream, tf.cast(step, tf.int64)])

    def _adversarial(self, images: dict, translations: dict, training: bool) -> tuple[tf.Tensor, tf.Tensor]:
        """What translations lack to deceive, and the loss of the discriminators."""
        deception, judged = [], []
        for domain, discriminator in self.discriminators.items():
            both = tf.concat([images[domain], translations[domain]], axis=0)
            for scores in discriminator(both, training=training):
                real, fake = tf.split(scores, 2)
                deception.append(losses.deception_loss(fake))
                judged.append(losses.discriminator_loss(real, fake))
        return tf.add_n(deception) / NUM_SCALES, tf.add_n(judged) / NUM_SCALES

    def _describe_translations(self, relit: dict, source: str, training: bool) -> tf.Tensor:
        """Descriptors of the translations of the images of a domain."""
        domain = other_domain(source)
        latent = relit[domain][0]
        if training and self.config.center_latent:  # the moving mean is of true images only
            return self.pooling(weighed_latent(self.vae, latent - tf.reduce_mean(latent, axis=0)))
        return self.pooling(compared_latent(self.vae, latent, domain, training=False))

    def _relit_contrast(self, images: dict, step: tf.Tensor, training: bool) -> tf.Tensor:
        """How badly two relit versions of an image find each other, the first seen by the encoder of day, the
        second by that of night, among images of both domains.

        Each half of a batch is centred on itself: what makes it day or night must not tell images apart.
        """
        both = tf.concat([images[domain] for domain in DOMAINS], axis=0)
        posteriors = self._encode({domain: relight(both, self._seed(step, _RELIGHTING_OF_IMAGES + number))
                                   for number, domain in enumerate(DOMAINS)}, training)
        described = []
        for domain in DOMAINS:
            halves = tf.split(posteriors[domain][0], len(DOMAINS))
            if self.config.center_latent:
                halves = [half - tf.reduce_mean(half, axis=0) for half in halves]
            described.append(self.pooling(weighed_latent(self.vae, tf.concat(halves, axis=0))))
        return losses.info_nce(*described, self.config.temperature)

    def _contrasts(self, batch: dict, posteriors: dict, relit: dict | None,
                   training: bool) -> dict[str, tf.Tensor]:
        config, terms = self.config, {}
        described = {domain: self.pooling(compared_latent(self.vae, posteriors[domain][0], domain, training))
                     for domain in DOMAINS}
        if relit is not None:
            terms["translation_contrast"] = tf.add_n([
                losses.info_nce(described[domain], self._describe_translations(relit, domain, training),
                                config.temperature) for domain in DOMAINS])
        if config.pair_contrast_weight:
            terms["pair_contrast"] = losses.info_nce(
                described["day"], described["night"], config.temperature, batch["day_label"],
                batch["night_label"])
        return terms
