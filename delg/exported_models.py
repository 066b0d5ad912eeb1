"""Exported models behind one call: numpy arrays in, a dict of numpy arrays out."""

from __future__ import annotations

import hashlib
import os

import numpy as np
import tensorflow as tf

from delg import export

_INPUTS = ("input_image", "input_scales", "input_max_feature_num", "input_abs_thres",
           "input_global_scales_ind")
_OUTPUTS = ("boxes", "features", "scales", "scores", "global_descriptors")


class ExportedModel:
    """A SavedModel with the `serving_default` of `extraction_module`, made here or elsewhere.

    May be called from several threads.

    Args:
        saved_model: folder of the SavedModel.

    Attributes:
        attention_threshold: the score that training learnt to keep features from; None where the model
            holds none.
        fingerprint: SHA-256 that stands for the weights.

    Raises:
        FileNotFoundError: if there is no SavedModel.
        ValueError: if it lacks the signature.
    """

    def __init__(self, saved_model: str):
        if not os.path.exists(os.path.join(saved_model, "saved_model.pb")):
            raise FileNotFoundError("`saved_model` must be the folder of a SavedModel, as delg.export_model "
                                    f"makes it. No saved_model.pb in: {saved_model}.")
        exported = export.read_export_config(saved_model)
        self.fingerprint: str = exported["fingerprint"] if exported else _files_hash(saved_model)
        self._module = tf.saved_model.load(saved_model)  # held: its variables live as long as it does
        self._run = self._module.signatures.get("serving_default")
        found = sorted(self._run.structured_input_signature[1]) if self._run else None
        if found is None or found != sorted(_INPUTS):
            raise ValueError(f"{saved_model} must have a signature `serving_default` with the inputs "
                             f"{', '.join(_INPUTS)}. Received: {found}.")
        threshold = getattr(self._module, "attention_threshold", None)
        self.attention_threshold = None if threshold is None else float(threshold.numpy())

    def extract(self, image: np.ndarray, scales, global_scale_indices, max_num_features: int,
                threshold: float) -> dict[str, np.ndarray]:
        """Features of one image, as the model gives them.

        Args:
            image: uint8, [H, W, 3], RGB.
            scales: S floats; factors to resize the image by.
            global_scale_indices: G ints; places in `scales` to take a global descriptor at.
            max_num_features: how many local features to keep at most; 0: none.
            threshold: least attention score of a local feature.

        Returns:
            Dict of float32: `boxes` [N, 4] ymin, xmin, ymax, xmax of receptive fields, pixels of `image`;
            `features` [N, d], not normalised; `scales` [N], 1 / scale; `scores` [N, 1];
            `global_descriptors` [G, D], not normalised.
        """
        outputs = self._run(
            input_image=tf.constant(image), input_scales=tf.constant(list(scales), tf.float32),
            input_max_feature_num=tf.constant(max_num_features, tf.int32),
            input_abs_thres=tf.constant(threshold, tf.float32),
            input_global_scales_ind=tf.constant(list(global_scale_indices), tf.int32))
        return {name: outputs[name].numpy() for name in _OUTPUTS}


def _files_hash(saved_model: str) -> str:
    """SHA-256 of a SavedModel's graph and variables."""
    digest = hashlib.sha256()
    variables = os.path.join(saved_model, "variables")
    names = [os.path.join(variables, name) for name in sorted(os.listdir(variables))]
    for path in (os.path.join(saved_model, "saved_model.pb"), *names):
        with open(path, "rb") as file:
            for block in iter(lambda: file.read(1 << 20), b""):  # noqa: B023
                digest.update(block)
    return digest.hexdigest()
