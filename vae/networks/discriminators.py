"""What the adversarial preset trains against: judges of images and of latents. They are not part of a VAE."""

from __future__ import annotations

import keras

from vae.networks.layers import GradientReversal, LatentPooling

_CHANNELS = (64, 128, 256)  # UNIT's, less its fourth layer, since images here may be small
_SLOPE = 0.2  # of the leaky ReLU; UNIT's
NUM_SCALES = 2  # resolutions at which an image is judged; UNIT has 3


def build_image_discriminator(width: float, name: str) -> keras.Model:
    """Judge of patches, at full and at half resolution.

    Source: PatchGAN of https://arxiv.org/abs/1611.07004, section 3.2.2; several resolutions as in
    https://arxiv.org/abs/1711.11585; sizes as UNIT's, see above.

    Args:
        width: channel multiplier; 1 has 64, 128 and 256 channels.
        name: of the model.

    Returns:
        Model from images, float [B, H, W, 3] in [0, 1], to a list of scores [B, h, w, 1], one per resolution;
        high means real.
    """
    inputs = images = keras.Input((None, None, 3))
    scores = []
    for scale in range(NUM_SCALES):
        if scale:
            images = keras.layers.AveragePooling2D(2, name=f"half{scale}")(images)
        maps = keras.layers.Rescaling(2.0, -1.0, name=f"scale{scale}_rescaling")(images)
        for number, count in enumerate(_CHANNELS, start=1):
            maps = keras.layers.Conv2D(max(1, round(width * count)), 4, 2, padding="same",
                                       name=f"scale{scale}_conv{number}")(maps)
            maps = keras.layers.LeakyReLU(_SLOPE, name=f"scale{scale}_relu{number}")(maps)
        scores.append(keras.layers.Conv2D(1, 1, name=f"scale{scale}_score")(maps))
    return keras.Model(inputs, scores, name=name)


def build_domain_classifier(channels: int, grid: int, hidden: int = 64) -> keras.Model:
    """Judge of which domain a latent comes from, behind a reversed gradient: by its cells and its descriptor.

    Source: DANN, https://arxiv.org/abs/1505.07818, section 4.2; the two inputs are chosen.

    Args:
        channels: of the latent.
        grid: of the descriptor, see `LatentPooling`.
        hidden: units of the hidden layers.

    Returns:
        Model from latents [B, h, w, C] to a list of logits [B, h, w, 1] and [B, 1], positive for night.
    """
    inputs = keras.Input((None, None, channels))
    maps = GradientReversal(dtype="float32", name="reversal")(inputs)
    cells = keras.layers.Conv2D(hidden, 1, name="cell_hidden")(maps)
    cells = keras.layers.LeakyReLU(_SLOPE, name="cell_relu")(cells)
    whole = keras.layers.Dense(hidden, name="whole_hidden")(LatentPooling(grid, name="pooling")(maps))
    whole = keras.layers.LeakyReLU(_SLOPE, name="whole_relu")(whole)
    return keras.Model(inputs, [keras.layers.Conv2D(1, 1, name="cell_logit")(cells),
                                keras.layers.Dense(1, name="whole_logit")(whole)], name="domain_classifier")
