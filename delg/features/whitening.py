"""Whitening of global descriptors, learnt from the features of a set of one's own choice.

Descriptors of one model share much of what they hold: their mean is long, and a few directions carry most of
their variance. Whitening takes the mean away, turns to the principal components and divides each of them by
its standard deviation, or a power of it, so that rare directions count too in the cosine.

How it is learnt: from the mean and covariance of the unit descriptors of the set, summed in 64 bits. Where
images are few for their dimensions, the variances are drawn towards their mean (see
`principal_components.whitening_weights`), so that directions which the images hardly show are not blown up.
On what: images like those to be searched but not these themselves, such as landmarks of another city, taken
with the very model and scales; no labels are needed. For one's own data:

    python -m delg.extract_features --saved_model=MODEL --pattern='other_city/index-*' --output_dir=other
    python -m delg.fit_whitening --features=other --output=whitening.npz
    python -m delg.extract_features --whitening=whitening.npz ...

or, for features that are there already, `delg.rewrite_features --whitening=whitening.npz`. Queries and index
need the same whitening; search and indexes refuse any other. This is not the model's own layer `whitening`,
which is trained and comes before.

The file (.npz) holds `mean` float32 [D], `projection` float32 [D, k] and `description` (JSON): `model` (the
fingerprint), `source` (the features' pattern), `num_images`, and the settings.

With `train_pattern`, shards that say what landmark each image is of, it is another whitening: directions in
which images of one landmark differ most count less, all others stay, the mean too. A hundred images of twenty
landmarks teach that. See `delg.vectors.within_class`.

Source: PCA-whitening of image descriptors, Jegou and Chum, ECCV 2012, section 3.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any

import numpy as np

from data_prep.stage import files
from data_prep.stage.numpy_files import reading_npz
from data_prep.stage.stored_settings import refuse_unknown
from delg.features.reader import FeatureReader
from delg.settings.whitening import WhiteningConfig
from delg.vectors import principal_components, within_class
from delg.vectors.unit import unit_vectors

FORMAT = 1


@dataclasses.dataclass(frozen=True)
class Whitening:
    """A learnt whitening.

    Attributes:
        mean: float32, [D].
        projection: float32, [D, k].
        description: as in the file.
    """

    mean: np.ndarray
    projection: np.ndarray
    description: dict[str, Any]

    @property
    def settings(self) -> dict[str, Any]:
        """What features that were whitened say of it: its SHA-256, what it was learnt on, and k."""
        digest = hashlib.sha256(np.ascontiguousarray(self.mean).tobytes()
                                + np.ascontiguousarray(self.projection).tobytes())
        return {"fingerprint": digest.hexdigest(), "source": self.description["source"],
                "num_images": self.description["num_images"], "dimension": self.projection.shape[1]}

    def apply(self, descriptors: np.ndarray) -> np.ndarray:
        """Whitened descriptors, unit norm: float32 [N, k] from float [N, D] of unit norm."""
        return unit_vectors((np.asarray(descriptors, np.float32) - self.mean) @ self.projection)


def fit_whitening(features: str, output: str, config: WhiteningConfig | None = None) -> Whitening:
    """Learns a whitening from feature shards and writes it.

    Args:
        features: glob or folder of feature shards, not whitened.
        output: path of the file to write, replaced if there.
        config: settings; None: the defaults.

    Raises:
        FileNotFoundError: if there are no shards.
        ValueError: if the features are whitened already, are of fewer than two images, or have fewer
            dimensions than `dimension`; or no two of a landmark of `train_pattern` differ.
    """
    config = config or WhiteningConfig()
    with FeatureReader(features) as reader:
        if "whitening" in reader.config:
            raise ValueError(f"`features` must not be whitened. Received: {features!r}, whitened by "
                             f"{reader.config['whitening']}.")
        ids, descriptors = reader.ids, reader.global_descriptors
        model = reader.config.get("fingerprint", "")
    if len(descriptors) < 2 or descriptors.shape[1] < config.dimension:
        raise ValueError("`features` must be of two images or more and have `dimension` dimensions at least. "
                         f"Received: {len(descriptors)} images of {descriptors.shape[1]} dimensions, "
                         f"dimension={config.dimension}.")
    if len(descriptors) > config.num_training_images:
        rows = np.random.default_rng(config.seed).permutation(len(descriptors))
        rows = np.sort(rows[:config.num_training_images])
        ids, descriptors = [ids[row] for row in rows], descriptors[rows]
    learn = _within_landmarks if config.train_pattern else _of_components
    mean, projection = learn(ids, descriptors, config)
    whitening = Whitening(mean, projection, {
        "format": FORMAT, "model": model, "source": features, "num_images": len(descriptors),
        **dataclasses.asdict(config)})
    _write(output, whitening)
    return whitening


def _of_components(_ids: list[str], descriptors: np.ndarray,
                   config: WhiteningConfig) -> tuple[np.ndarray, np.ndarray]:
    """Mean and projection, learnt without labels."""
    projection, _ = principal_components.whitening_weights(
        descriptors, descriptors.shape[1], config.exponent, config.shrinkage)
    return (descriptors.mean(axis=0, dtype=np.float64).astype(np.float32),
            np.ascontiguousarray(projection[:, :config.dimension or None]))


def _within_landmarks(ids: list[str], descriptors: np.ndarray,
                      config: WhiteningConfig) -> tuple[np.ndarray, np.ndarray]:
    """Mean, which is 0, and projection, learnt from what images of one landmark differ in."""
    from data_prep.records import record_labels  # brings TensorFlow, which the other need not wait for

    landmark_of = dict(zip(*record_labels.read_landmarks(config.train_pattern)))
    rows = [row for row, image_id in enumerate(ids) if image_id in landmark_of]
    _, labels = np.unique([str(landmark_of[ids[row]]) for row in rows], return_inverse=True)
    kernel = within_class.kernel_of(*within_class.learn_whitening(
        descriptors[rows], labels, config.shrinkage or within_class.SHRINKAGE, config.num_directions))
    return np.zeros(len(kernel), np.float32), kernel.astype(np.float32)


def _write(path: str, whitening: Whitening) -> None:
    with files.replacing(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, mean=whitening.mean, projection=whitening.projection,
                 description=np.array(json.dumps(whitening.description)))


def read_whitening(path: str, model: str, dim: int) -> Whitening:
    """The whitening of a file, for the features of a model.

    Args:
        path: written by delg.fit_whitening.
        model: fingerprint of the model whose descriptors will be whitened.
        dim: dimensions of these.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is damaged, or was learnt on features of another model or dimension.
    """
    with reading_npz(path, "a file of delg.fit_whitening") as stored:
        mean, projection, description = map(stored.read, ("mean", "projection", "description"))
        whitening = Whitening(mean, projection, json.loads(description.item()))
        _check(whitening)
    source, learnt_on = whitening.description["source"], whitening.description["model"]
    if (learnt_on, len(mean)) != (model, dim):
        raise ValueError("`whitening` must be learnt on features of the model it is for. Received: "
                         f"{path!r}, learnt on {source!r} of model {learnt_on!r}, {len(mean)} dimensions, "
                         f"for model {model!r}, {dim} dimensions.")
    return whitening


def _check(whitening: Whitening) -> None:
    """Raises a ValueError, KeyError or TypeError unless a whitening that was read is sound."""
    mean, projection, description = whitening.mean, whitening.projection, whitening.description
    if description["format"] != FORMAT:
        raise ValueError(f"format {description['format']}")
    if (mean.dtype != np.float32 or projection.dtype != np.float32 or mean.ndim != 1 or projection.ndim != 2
            or len(mean) != len(projection)):
        raise ValueError(f"mean {mean.dtype} {mean.shape}, projection {projection.dtype} {projection.shape}")
    if not (np.isfinite(mean).all() and np.isfinite(projection).all()):
        raise ValueError("numbers that are not finite")
    for name, expected in (("source", str), ("model", str), ("num_images", int)):
        if not isinstance(description[name], expected):
            raise TypeError(f"{name} must be {expected.__name__}, not {type(description[name]).__name__}")
    known = {field.name for field in dataclasses.fields(WhiteningConfig)}
    refuse_unknown({*known, "format", "model", "source", "num_images"}, description, "its description")
