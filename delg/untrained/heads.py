"""Heads for local features, learnt without labels: a projection and an attention threshold.

Both come from some photographs, whatever they show. The projection turns the directions of the features to
their principal components and evens out their variances; the threshold leaves out the cells of sky and walls.
Heads of a few backbones come with this package. They were learnt on a procedural world (docs/decisions says
how), so that they owe nothing to anybody's photographs; some bring an attention head and a whitening of the
global descriptor that were learnt there.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
from collections.abc import Iterable

import keras
import numpy as np
import tensorflow as tf

from data_prep.images.intake import read_image
from data_prep.sources.formats.image_names import find_images
from data_prep.stage import files
from delg.exports.extraction_module import ExtractionModule
from delg.features.preparing import BadImageError, decode, prepare_image
from delg.networks.backbone import receptive_field
from delg.networks.batch_norm_folding import fold_batch_norm
from delg.settings.untrained import UntrainedConfig
from delg.vectors.principal_components import whitening_weights
from delg.vectors.unit import unit_vectors
from delg.vectors.within_class import kernel_of

SCALES = (2**-0.5, 1.0, 2**0.5)  # that the features are taken at; chosen, as for extraction
MAX_IMAGE_SIZE = 512  # pixels; chosen
_STRONGEST = 1000  # features of an image that may be learnt from; as many as extraction keeps
_ROWS = 200  # of these, drawn at random; chosen
_MIN_IMAGES = 2
_EXPONENT = 0.5  # of the deviation that components are divided by; chosen, see docs/decisions
_ATTENTION = ("attention_hidden", "attention_hidden_bias", "attention_scores", "attention_scores_bias")
_WHITENING = ("whitening_directions", "whitening_gains")
_SHIPPED = pathlib.Path(__file__).parent / "shipped"


@dataclasses.dataclass(frozen=True)
class Heads:
    """Learnt from photographs.

    Attributes:
        kernel: float32 [C, d], from unit features of C channels to local descriptors.
        bias: float32 [d].
        attention_threshold: least attention of a cell that is kept.
        attention: float32 arrays of DELG's attention head, from features of C channels by h hidden ones to a
            score before its softplus: [C, h], [h], [h, 1], [1]; empty: the norm of the features is attention.
        whitening: float32 [G, k] and [k], directions of the global descriptor and their gains, see
            `delg.vectors.within_class`; empty: it is used as it is pooled.
    """

    kernel: np.ndarray
    bias: np.ndarray
    attention_threshold: float
    attention: tuple[np.ndarray, ...] = ()
    whitening: tuple[np.ndarray, ...] = ()

    @property
    def attention_dim(self) -> int:
        """Hidden channels of the attention head, 0 where the norm is the attention."""
        return self.attention[0].shape[1] if self.attention else 0

    def put_in(self, model: keras.Model) -> None:
        """Sets the weights of a network that was built with this `attention_dim` and whitening."""
        model.get_layer("projection").set_weights([self.kernel, self.bias])
        if self.attention:
            model.get_layer("attention_hidden").set_weights(self.attention[:2])
            model.get_layer("attention_scores").set_weights(self.attention[2:])
        if self.whitening:
            model.get_layer("whitening").set_weights([kernel_of(*self.whitening)])


def with_trained_attention(heads: Heads, model: keras.Model, attention_threshold: float) -> Heads:
    """The same projection with the attention head of a trained DELG model, its BatchNorm folded away.

    Args:
        heads: of the backbone, the stride and the channels of that model.
        model: from `build_delg`.
        attention_threshold: that the training has learnt.
    """
    folded = fold_batch_norm(model)
    arrays = [array for name in ("attention_hidden", "attention_scores")
              for array in folded.get_layer(name).get_weights()]
    return dataclasses.replace(heads, attention_threshold=attention_threshold, attention=tuple(
        array.reshape(array.shape[-2:]) for array in arrays))  # 1 x 1 convolutions as matrices


def learn_heads(model: keras.Model, config: UntrainedConfig, photographs: Iterable[bytes],
                seed: int = 0) -> Heads:
    """Heads for an untrained network.

    Source of the projection: PCA-whitening of descriptors, Jegou and Chum, ECCV 2012, section 3.

    Args:
        model: of `build_untrained`, not projected.
        config: of the network to be made; its `local_dim` is that of the descriptors.
        photographs: encoded images; bad ones are passed over.
        seed: of the choice of features.

    Raises:
        ValueError: fewer than two images can be used, or `local_dim` is above the channels.
    """
    module = ExtractionModule(model, receptive_field(config.backbone, config.local_stride))
    generator = np.random.default_rng(seed)
    samples, medians = [], []
    for encoded in photographs:
        try:
            prepared = prepare_image(decode(encoded), MAX_IMAGE_SIZE, max(SCALES))
        except BadImageError:
            continue
        found = module.extract(prepared.image, np.float32(np.multiply(SCALES, prepared.limit)),
                               tf.int32.max, 0.0, np.zeros(0, np.int32))
        features = found["features"].numpy()[:_STRONGEST]  # the strongest come first
        rows = generator.permutation(len(features))[:_ROWS]
        samples.append(unit_vectors(features[np.sort(rows)]))
        medians.append(np.median(found["scores"]))
    if len(samples) < _MIN_IMAGES:
        raise ValueError("Heads are learnt from two photographs at least, better a hundred. "
                         f"Received: {len(samples)} that can be used.")
    sample = np.concatenate(samples)
    if config.local_dim > sample.shape[1]:
        raise ValueError(f"`local_dim` must be at most the {sample.shape[1]} channels of the local map of "
                         f"{config.backbone}. Received: local_dim={config.local_dim}.")
    kernel, bias = whitening_weights(sample, config.local_dim, _EXPONENT)
    return Heads(kernel, bias, float(np.median(medians)))


def read_photographs(folder: str, count: int = 200, seed: int = 0) -> list[bytes]:
    """Image files of a folder and of folders in it, so many drawn at random, as JPEG or PNG.

    Raises:
        FileNotFoundError: there is no such folder.
    """
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"`photographs` must be a folder. Received: {folder!r}.")
    paths = sorted(find_images(folder))
    taken = []
    for number in np.random.default_rng(seed).permutation(len(paths)):
        if len(taken) == count:
            break
        with contextlib.suppress(ValueError):  # a damaged one
            taken.append(read_image(os.path.join(folder, paths[number])).encoded)
    return taken


def shipped_heads(config: UntrainedConfig) -> Heads:
    """Heads that come with this package.

    Raises:
        FileNotFoundError: there are none for this backbone, stride and dimension.
    """
    path = _path(config)
    if not path.is_file():
        known = ", ".join(sorted(path.stem for path in _SHIPPED.glob("*.npz")))
        raise FileNotFoundError(
            f"No heads come with this package for {path.stem} (backbone, stride, dimension), only for "
            f"{known}: give `photographs`, a folder of any photographs to learn them from.")
    with np.load(path, allow_pickle=False) as stored:
        attention, whitening = ([stored[name].astype(np.float32) for name in names if name in stored]
                                for names in (_ATTENTION, _WHITENING))
        return Heads(stored["kernel"].astype(np.float32), stored["bias"].astype(np.float32),
                     float(stored["attention_threshold"]), tuple(attention),
                     tuple(whitening))


def ship_heads(config: UntrainedConfig, heads: Heads) -> str:
    """Writes heads to where `shipped_heads` looks for them, in 16 bits; returns the path."""
    path = str(_path(config))
    arrays = {"kernel": heads.kernel, "bias": heads.bias, **dict(zip(_ATTENTION, heads.attention)),
              **dict(zip(_WHITENING, heads.whitening))}
    with files.replacing(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, attention_threshold=np.float32(heads.attention_threshold),
                            **{name: array.astype(np.float16) for name, array in arrays.items()})
    return path


def _path(config: UntrainedConfig) -> pathlib.Path:
    return _SHIPPED / f"{config.backbone}-{config.local_stride}-{config.local_dim}.npz"
