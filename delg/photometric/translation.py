"""Images translated from one domain to another, as from night to day, by a SavedModel such as a VAE's."""

from __future__ import annotations

import cv2
import numpy as np
import tensorflow as tf

from delg.exports import saved_models
from delg.exports.export_config import read_export_config
from delg.photometric.normalization import Normalization
from delg.photometric.relighting import relit
from delg.settings.extraction import ExtractConfig

DETAIL_KIND = "detail_translator"  # of an export whose translations keep the details of photographs


class Translator:
    """A signature of a SavedModel that makes an image of an image. May be called from several threads.

    The signature takes one input, uint8 [B, H, W, 3] RGB, of any or of one size, and gives one output of the
    same kind. Images go to a size that it insists on by area averaging, and what it gives comes back to
    theirs bilinearly.

    Args:
        saved_model: folder of the SavedModel, as vae.export_model makes it.
        signature: its name, such as "night_to_day".
        relight: take of what it gives the light alone: details and colours stay the image's, see `relit`; not
            of a model that keeps details itself, as those of vae.train_translator.

    Attributes:
        settings: JSON-able; what a translation depends on.

    Raises:
        FileNotFoundError: there is no SavedModel.
        ValueError: it cannot be loaded, has no such signature, or one that takes or gives something else.
    """

    def __init__(self, saved_model: str, signature: str, relight: bool = True):
        saved_models.check_is_there(saved_model, "translator", "vae.export_model")
        self.settings = {"translator": saved_models.fingerprint_of(saved_model), "translation": signature}
        exported = read_export_config(saved_model) or {}
        self._relight = relight and exported.get("kind") != DETAIL_KIND
        if self._relight:  # else as features have it from before there was a choice
            self.settings["relit"] = True
        self._module = saved_models.load(saved_model)  # held: its variables live as long as it does
        signatures = getattr(self._module, "signatures", {})
        if signature not in signatures:
            raise ValueError(f"`translation` must be a signature of {saved_model}: "
                             f"{', '.join(sorted(signatures)) or 'it has none'}. Received: {signature!r}.")
        self._run = signatures[signature]
        inputs = self._run.structured_input_signature[1]
        found = [*inputs.values(), *self._run.structured_outputs.values()]
        if len(found) != 2 or not all(map(_is_of_images, found)):
            raise ValueError(f"`translation` must take and give images, uint8 [B, H, W, 3]. Received: "
                             f"{signature!r} of {saved_model}, from {_text(inputs)} to "
                             f"{_text(self._run.structured_outputs)}.")
        self._input, = inputs
        self._output, = self._run.structured_outputs
        self._size = found[0].shape[1:3]

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """The translation of an image, uint8 [h, w, 3] RGB, at its own size."""
        return self.translate_all(image[np.newaxis])[0]

    def translate_all(self, images: np.ndarray) -> np.ndarray:
        """The translations of images of one size together, uint8 [B, h, w, 3] RGB, at that size."""
        found = self._translated(images)
        return np.stack(list(map(relit, images, found))) if self._relight else found

    def _translated(self, images: np.ndarray) -> np.ndarray:
        height, width = images.shape[1:3]
        size = (self._size[1] or width, self._size[0] or height)
        if size != (width, height):
            images = np.stack([cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in images])
        found = self._run(**{self._input: tf.constant(images)})[self._output].numpy()
        if found.shape[1:3] == (height, width):
            return found
        return np.stack([cv2.resize(image, (width, height)) for image in found])


def translation(config: ExtractConfig) -> Normalization:
    """The normalisation `translate`, see `Translator`, whose errors it raises."""
    translator = Translator(config.translator, config.translation, config.relight)
    return Normalization(translator, translator.settings)


def _is_of_images(spec) -> bool:
    return spec.dtype == tf.uint8 and spec.shape.rank == 4 and spec.shape[3] in (3, None)


def _text(specs) -> str:
    return ", ".join(f"{name} {spec.dtype.name} {spec.shape}" for name, spec in sorted(specs.items()))
