"""Global and local features of an image, by an exported model at several scales."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence

import numpy as np
import tensorflow as tf

from data_prep.images.image_headers import MAX_PIXELS
from data_prep.stage.streams import mapped_in_order, same_sized
from delg.exports.loading import ExportedModel
from delg.features.batch_pixels import BatchPixels
from delg.features.preparing import Photograph, PreparedImage, decode, pixels_of, prepare_image
from delg.features.shards import ImageFeatures, LocalFeatures, no_local_features
from delg.features.simulated_views import turned_back
from delg.features.whitening import read_whitening
from delg.settings.extraction import NOT_OF_FEATURES, ExtractConfig
from delg.settings.kinds import PHOTOMETRICS
from delg.vectors.generalized_mean import generalized_mean
from delg.vectors.unit import unit_vectors

_MIN_SIDE = 32  # pixels; chosen: smaller images have fewer than two cells a side at scale 1
_SAME_SCALE = 1e-4  # relative; 0.7071 on a command line is 2**-0.5


class ImageDescriber:
    """An exported model with its settings; maps images to features. May be called from several threads.

    Args:
        saved_model: folder of a SavedModel that `exported_models` opens; one made elsewhere needs an
            explicit `score_threshold`.
        config: how features are taken; None: the defaults.

    Attributes:
        global_dim, local_dim: dimensions of the descriptors; 0 for what the model does not give.
        settings: JSON-able dict of all that decides the values of features, `fingerprint` of the model
            included; equal settings and images give equal features. Scales of what the model does not give
            are not among them.

    Raises:
        FileNotFoundError: if there is no SavedModel.
        ValueError: if it is of no known form, has no threshold and none is given, does not go with the
            scales, or the whitening is of another model.
    """

    def __init__(self, saved_model: str, config: ExtractConfig | None = None):
        config = config or ExtractConfig()
        self._model = ExportedModel(saved_model, config.precision)
        config = _for_model(config, self._model, saved_model)
        threshold = config.score_threshold
        if threshold is None:
            threshold = self._model.attention_threshold
        if threshold is None and config.local_scales:
            raise ValueError(f"{saved_model} holds no attention threshold: give `score_threshold`.")
        self._config = config
        self._scales = (*config.global_scales, *config.local_scales, 1.0)
        self._threshold = threshold or 0.0
        self._batch_pixels = BatchPixels(config.batch_pixels)
        self.settings = {**dataclasses.asdict(config), "score_threshold": threshold,
                         "precision": self._model.compute_dtype,
                         "global_scales": list(config.global_scales),
                         "local_scales": list(config.local_scales),
                         "fingerprint": self._model.fingerprint}
        for name in NOT_OF_FEATURES:
            del self.settings[name]
        self._normalization = None
        if config.photometric in PHOTOMETRICS:
            self._normalization = PHOTOMETRICS[config.photometric](config)
            self.settings.update(self._normalization.settings)
            if config.photometric_beside:  # else as features have it from before there was a choice
                self.settings["photometric_beside"] = True
        self.global_dim = self._model.global_dim if config.global_scales else 0
        self.local_dim = self._model.local_dim
        self._whitening = None
        if config.whitening:
            self._whitening = read_whitening(config.whitening, self._model.fingerprint, self.global_dim)
            self.settings["whitening"] = self._whitening.settings
            self.global_dim = self._whitening.projection.shape[1]

    def describe(self, image: Photograph, query_bbox: np.ndarray | None = None) -> ImageFeatures:
        """Features of a photograph, or of a box in it; keypoints are pixels of the whole upright image.

        An image below 32 pixels at scale 1 has no local features.

        Args:
            image: path of an image file, its bytes, pixels uint8 [h, w, 3] RGB, or an image of Pillow.
            query_bbox: float, [4]; x1, y1, x2, y2 in pixels; None: the whole image.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: if the image cannot be used or the box lies outside it.
        """
        return self.describe_prepared([self._prepare_pixels(pixels_of(image), query_bbox)])[0]

    def describe_all(self, images: Iterable[Photograph]) -> list[ImageFeatures]:
        """Features of photographs in their order: `describe` of each, those of one size computed together.

        Args:
            images: as of `describe`, taken one by one as they are needed.

        Raises:
            as `describe`, of the first image that cannot be used.
        """
        prepared = mapped_in_order(lambda numbered: (numbered[0], self._prepare_pixels(
            pixels_of(numbered[1]), None)), enumerate(images))
        found: dict[int, ImageFeatures] = {}
        for batch in same_sized(prepared, lambda item: (item[1].shape_key, self.images_at_once(item[1]))):
            numbers, batch_images = zip(*batch)
            found.update(zip(numbers, self.describe_prepared(batch_images)))
        return [found[number] for number in range(len(found))]

    def prepare(self, encoded: bytes, query_bbox: np.ndarray | None = None,
                max_pixels: int = MAX_PIXELS) -> PreparedImage:
        """Pixels for the model of a JPEG or PNG as shards hold it: upright, whatever its metadata says.

        Raises:
            BadImageError: if the image cannot be decoded or the box lies outside it.
        """
        return self._prepare_pixels(decode(encoded, max_pixels), query_bbox)

    def _prepare_pixels(self, pixels: np.ndarray, query_bbox: np.ndarray | None) -> PreparedImage:
        prepared = prepare_image(pixels, self._config.max_image_size, max(self._scales), query_bbox)
        if self._normalization is None:
            return prepared
        place = "beside" if self._config.photometric_beside else "image"
        return prepared._replace(**{place: self._normalization.apply(prepared.image)})

    @property
    def describes_views(self) -> bool:
        """Whether simulated views are described instead of images."""
        return self._config.simulated_views

    def images_at_once(self, prepared: PreparedImage) -> int:
        """How many images of this size go through the model together: fewer, the larger they are."""
        return max(1, min(self._config.batch_size, int(self._batch_pixels.most / self._num_pixels(prepared))))

    def _num_pixels(self, prepared: PreparedImage) -> float:
        """Of an image at its largest scale."""
        height, width = prepared.image.shape[:2]
        return height * width * (max(self._scales) * prepared.limit) ** 2

    def describe_prepared(self, images: Sequence[PreparedImage]) -> list[ImageFeatures]:
        """What `describe` does with pixels, for images of one shape and limit; in parts if memory is short.

        Raises:
            ValueError: if a single image does not fit into memory.
        """
        num_pixels = self._num_pixels(images[0])
        try:
            return self._batch_pixels.computed(self._describe_together, images, num_pixels)
        except tf.errors.ResourceExhaustedError as error:
            raise ValueError(
                "An image must fit into memory at its largest scale; lower `max_image_size` or the scales. "
                f"Received: one of {num_pixels / 1e6:.1f} megapixels there.") from error

    def _describe_together(self, images: Sequence[PreparedImage]) -> list[ImageFeatures]:
        config, prepared = self._config, images[0]
        too_small = min(prepared.image.shape[:2]) * prepared.limit < _MIN_SIDE
        local_scales = () if too_small else config.local_scales
        shared, global_only = [], []  # global scales, by whether a local pass can serve them
        for scale in self._config.global_scales:
            places = [place for place, other in enumerate(local_scales)
                      if math.isclose(scale, other, rel_tol=_SAME_SCALE)]
            shared += places[:1]
            global_only += [] if places else [scale]
        local = [no_local_features(self.local_dim)] * len(images)
        rows: list[list[np.ndarray]] = [[] for _ in images]
        if local_scales:
            found = self._outputs(images, local_scales, shared, config.max_num_features)
            local = [_local_features(outputs, image) for outputs, image in zip(found, images)]
            for row, outputs in zip(rows, found):
                row.append(outputs["global_descriptors"])
        passes = [(images, global_only)] if global_only else []
        if prepared.beside is not None:
            passes.append(([image._replace(image=image.beside) for image in images], config.global_scales))
        for pictures, scales in passes:
            found = self._outputs(pictures, scales, range(len(scales)), 0)
            for row, outputs in zip(rows, found):
                row.append(outputs["global_descriptors"])
        return [ImageFeatures(self._global_descriptor(row), features, image.image_size)
                for row, features, image in zip(rows, local, images)]

    def _global_descriptor(self, rows: list[np.ndarray]) -> np.ndarray:
        if not self._config.global_scales:
            return np.zeros(0, np.float32)
        mean = generalized_mean(unit_vectors(np.concatenate(rows)), self._config.scale_power)
        if self._whitening is not None:
            mean = self._whitening.apply(unit_vectors(mean)[None])[0]
        return unit_vectors(mean)

    def _outputs(self, images: Sequence[PreparedImage], scales, global_places, max_num_features
                 ) -> list[dict[str, np.ndarray]]:
        return self._model.extract_all([image.image for image in images],
                                       np.multiply(scales, images[0].limit), global_places, max_num_features,
                                       self._threshold)


def _for_model(config: ExtractConfig, model: ExportedModel, saved_model: str) -> ExtractConfig:
    """The settings without the scales of what the model does not give, or does not let choose."""
    global_scales = config.global_scales if model.has_global else ()
    local_scales = config.local_scales if model.has_local else ()
    if not global_scales and not local_scales:
        raise ValueError(f"{saved_model} gives {'global' if model.has_global else 'local'} features alone: "
                         f"they need scales. Received: global_scales={config.global_scales}, "
                         f"local_scales={config.local_scales}.")
    if not model.takes_scales:
        if 1.0 not in global_scales:
            raise ValueError(f"{saved_model} has its scales inside: `global_scales` must have 1, which "
                             f"stands for them. Received: {global_scales}.")
        global_scales = (1.0,)
    return dataclasses.replace(config, global_scales=global_scales, local_scales=local_scales)


def _local_features(outputs: dict[str, np.ndarray], prepared: PreparedImage) -> LocalFeatures:
    centres = (outputs["boxes"][:, :2] + outputs["boxes"][:, 2:]) / 2
    kept = np.s_[:]
    if prepared.turn is not None:
        back, kept = turned_back(centres[:, ::-1], prepared)
        centres = back[kept, ::-1]
    keypoints_yx = (centres + 0.5) / prepared.factors - 0.5 + prepared.corner
    return LocalFeatures(keypoints_yx.astype(np.float32), unit_vectors(outputs["features"][kept]),
                         outputs["scores"][kept, 0], outputs["scales"][kept] * np.float32(prepared.limit))
