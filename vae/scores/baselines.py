"""Baseline descriptors: pixels, ImageNet features, a DELG model; each with or without CLAHE.

Images are uint8 [N, S, S, 3], RGB; descriptors are float32 [N, D] of unit norm.
"""

from __future__ import annotations

import os

import keras
import numpy as np

from delg.exports.loading import ExportedModel
from delg.networks.backbone import build_backbone
from delg.networks.layers import GeMPooling, ImageNormalization, L2Normalization
from delg.photometric.clahe import equalised
from delg.vectors.unit import unit_vectors
from vae.data.photographs import in_batches, resized

_THUMBNAIL = 32  # pixels; chosen
_BATCH_SIZE = 16
_DELG_SCALES = (0.5**0.5, 1.0, 2**0.5)  # Source: DELG, section 4.2, https://arxiv.org/abs/2001.05027


def clahe(images: np.ndarray) -> np.ndarray:
    """The images, each equalised as `delg.photometric.clahe.equalised` says; same shape."""
    return np.stack([equalised(image) for image in images])


def raw_pixels(images: np.ndarray) -> np.ndarray:
    """RGB thumbnails of 32 x 32 pixels, each channel to mean 0 and deviation 1, to unit norm: [N, 3072].

    Their cosine is the normalised cross-correlation of two images, channel by channel: exposure, contrast and
    the colour of the light do not change it. Of four forms tried (grey or RGB, normalised or not) the best.
    """
    pixels = resized(images, _THUMBNAIL).reshape(len(images), -1, 3).astype(np.float32)
    pixels -= pixels.mean(axis=1, keepdims=True)
    pixels /= np.maximum(pixels.std(axis=1, keepdims=True), 1e-3)
    return unit_vectors(pixels.reshape(len(images), -1))


class ImageNetFeatures:
    """GeM-pooled last map of a network trained on ImageNet.

    Args:
        network: "vgg16" (block5_conv3, 512 channels), or a backbone of DELG with maps.
        weights: weight file without the top; of a backbone all that `build_backbone` takes.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: another network, or weights that do not fit.
    """

    def __init__(self, network: str, weights: str):
        images = keras.Input((None, None, 3), name="images", dtype="float32")
        last_map = (_vgg16(weights)(images) if network == "vgg16"
                    else build_backbone(network, weights=weights)(images)["global"])
        descriptors = L2Normalization()(GeMPooling(3.0)(last_map))
        self._model = keras.Model(images, descriptors)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        return in_batches(lambda batch: self._model(batch, training=False).numpy(), images, _BATCH_SIZE)


def _vgg16(weights: str) -> keras.Model:
    if not os.path.isfile(weights):
        raise FileNotFoundError(f"`vgg16_weights` must be a file. Received: {weights}.")
    try:
        network = keras.applications.VGG16(include_top=False, weights=weights)
    except ValueError as error:
        raise ValueError("`vgg16_weights` must be the weights of VGG-16 without its top. Received: "
                         f"{weights}: {error}") from error
    images = keras.Input((None, None, 3))
    # Means of ImageNet and the order BGR. Source: keras.applications.vgg16.preprocess_input.
    normalised = ImageNormalization((123.68, 116.779, 103.939), (1, 1, 1), True)(images)
    taps = keras.Model(network.input, network.get_layer("block5_conv3").output)
    return keras.Model(images, taps(normalised))


class DelgFeatures:
    """The global descriptor of an exported DELG model: three scales, each to unit norm, their mean.

    Args:
        saved_model: folder of the SavedModel.

    Raises:
        FileNotFoundError, ValueError: see `delg.exports.loading.ExportedModel`.
    """

    def __init__(self, saved_model: str):
        self._model = ExportedModel(saved_model)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        scales = range(len(_DELG_SCALES))
        found = (self._model.extract(image, _DELG_SCALES, scales, 0, 0.0)["global_descriptors"]
                 for image in images)
        return unit_vectors(np.stack([unit_vectors(rows).mean(axis=0) for rows in found]))
