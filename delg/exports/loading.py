"""Exported models behind one call: numpy arrays in, a dict of numpy arrays out.

What is opened: SavedModels with the inputs and outputs of the published DELG and DELF models, be they

    local    input_image, input_scales, input_max_feature_num, input_abs_thres -> boxes, features, scales,
             scores
    global   input_image, input_scales, input_global_scales_ind -> global_descriptors, or global_descriptor,
             the sum or mean over scales
    both     all of these; ours are of this kind
    fixed    input_image -> global_descriptor, with its scales inside

as a signature `serving_default` (TensorFlow 2), or as tensors of these names in the graph, `input_image:0`
to `global_descriptors:0`, whether a signature names them or not (TensorFlow 1). The principal components that
the DELF models of 2017 to 2019 are used with lie outside of them and are not applied.
Source: the exporters and released models of the reference (tensorflow/models, research/delf).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from delg.exports import accelerators, graph_calls, reduced_precision, saved_models
from delg.exports.export_config import read_export_config
from delg.exports.graph_calls import Function

_LOCAL_INPUTS = ("input_max_feature_num", "input_abs_thres")
_GLOBAL_INPUT = "input_global_scales_ind"
_INPUTS = ("input_image", "input_scales", *_LOCAL_INPUTS, _GLOBAL_INPUT)
_LOCAL_OUTPUTS = ("boxes", "features", "scales", "scores")
_PER_SCALE, _POOLED = "global_descriptors", "global_descriptor"
_OUTPUTS = (*_LOCAL_OUTPUTS, _PER_SCALE, _POOLED)
_GREY_SIDE = 32  # pixels; chosen: the smallest that has features
_PROBE_FEATURES = 1000  # compared between precisions; chosen
_NOTHING = {"boxes": (0, 4), "features": (0, 0), "scales": (0,), "scores": (0, 1), _PER_SCALE: (0, 0)}


class ExportedModel:
    """A SavedModel of one of the kinds in the module's docstring, made here or elsewhere.

    May be called from several threads.

    Args:
        saved_model: folder of the SavedModel.
        compute_dtype: what convolutions compute in: float32; bfloat16; float16; auto, which is the type of 16
            bits that is fast here, if the model's descriptors of a test image keep a mean cosine of 0.999
            with those of float32.

    Attributes:
        compute_dtype: float32, bfloat16 or float16.
        has_local: whether it gives local features.
        has_global: whether it gives global descriptors.
        takes_scales: whether scales can be chosen.
        attention_threshold: the score that training learnt to keep features from; None where the model
            holds none.
        fingerprint: SHA-256 that stands for the weights.
        global_dim, local_dim: of the descriptors; 0 for what it does not give.

    Raises:
        FileNotFoundError: if there is no SavedModel.
        ValueError: if it cannot be loaded, or is of no such kind; if 16 bits are asked of a machine that is
            not fast with them.
    """

    def __init__(self, saved_model: str, compute_dtype: str = "float32"):
        reduced = reduced_precision.reduced_type()
        if compute_dtype not in ("auto", "float32", reduced):
            raise ValueError("`precision` may be bfloat16 on a processor with avx512_bf16 or amx_bf16, "
                             "beside no GPU; float16 on GPUs of compute capability 7 or more. Received: "
                             f"precision={compute_dtype!r} on another machine.")
        accelerators.grow_memory()
        saved_models.check_is_there(saved_model, "saved_model", "delg.export_model")
        self.fingerprint: str = saved_models.fingerprint_of(saved_model)
        self._module = saved_models.load(saved_model)  # held: its variables live as long as it does
        entry = _entry(self._module)
        # Ours are simple, but for the layout that a GPU likes; batches are many, so that their first call
        # matters less than what may be gained.
        is_simple = read_export_config(saved_model) is not None and not tf.config.list_physical_devices("GPU")
        entry = entry._replace(run=entry.rewritten(is_simple=True)) if is_simple else entry
        self._run, self._dtypes = entry.run, entry.dtypes
        batch = getattr(self._module, "signatures", {}).get("batch")
        batch_entry = None if batch is None else _signature_entry(batch)
        if batch_entry is not None and set(batch_entry.dtypes) != {"images", *_INPUTS[1:]}:
            batch_entry = None
        self._run_batch = None if batch_entry is None else batch_entry.run
        inputs, outputs = set(entry.dtypes), set(entry.outputs)
        self.takes_scales = "input_scales" in inputs
        self.has_local = {"input_scales", *_LOCAL_INPUTS} <= inputs and set(_LOCAL_OUTPUTS) <= outputs
        self._is_pooled = _PER_SCALE not in outputs
        self.has_global = (not self._is_pooled and {"input_scales", _GLOBAL_INPUT} <= inputs
                           or _POOLED in outputs and (not self.takes_scales or _GLOBAL_INPUT in inputs))
        unknown = inputs.difference(_INPUTS)
        if "input_image" not in inputs or unknown or not (self.has_local or self.has_global):
            raise ValueError(
                f"{saved_model} must have a signature `serving_default`, or tensors, from input_image, "
                "input_scales, ... to boxes, features, scales, scores or global_descriptors. Received: "
                f"{', '.join(sorted(inputs)) or 'no inputs'} to "
                f"{', '.join(sorted(outputs)) or 'no outputs'}.")
        threshold = getattr(self._module, "attention_threshold", None)
        self.attention_threshold = None if threshold is None else float(threshold.numpy())
        self.compute_dtype = "float32"
        if reduced and compute_dtype != "float32":
            run = entry.rewritten(compute_dtype=reduced, is_simple=is_simple)
            if compute_dtype == reduced or self._are_alike(entry.run, run):
                self._run, self.compute_dtype = run, reduced
                self._run_batch = batch_entry and batch_entry.rewritten(compute_dtype=reduced)
        self.global_dim, self.local_dim = self._dimensions(entry.outputs)

    def _dimensions(self, said: Mapping[str, int | None]) -> tuple[int, int]:
        """Of global and local descriptors, as the outputs say, or as a grey image has them."""
        sizes = (said[_POOLED if self._is_pooled else _PER_SCALE] if self.has_global else 0,
                 said["features"] if self.has_local else 0)
        if None in sizes:
            grey = np.full((_GREY_SIDE, _GREY_SIDE, 3), 128, np.uint8)
            found = self.extract(grey, [1.0], [0] if self.has_global else [], 0, 0.0)
            sizes = (found[_PER_SCALE].shape[1], found["features"].shape[1])
        return sizes

    def _are_alike(self, *functions: Function) -> bool:
        image = reduced_precision.probe_image()
        return reduced_precision.are_alike(*(
            self._extract(function, image, [1.0], [0], _PROBE_FEATURES, float("-inf"))
            for function in functions))

    def extract(self, image: np.ndarray, scales, global_scale_indices, max_num_features: int,
                threshold: float) -> dict[str, np.ndarray]:
        """Features of one image, as the model gives them.

        Args:
            image: uint8, [H, W, 3], RGB.
            scales: S floats; factors to resize the image by. Without `takes_scales` they are passed over.
            global_scale_indices: G ints; places in `scales` to take a global descriptor at.
            max_num_features: how many local features to keep at most; 0: none.
            threshold: least attention score of a local feature.

        Returns:
            Dict of float32: `boxes` [N, 4] ymin, xmin, ymax, xmax of receptive fields, pixels of `image`;
            `features` [N, d], not normalised; `scales` [N], 1 / scale; `scores` [N, 1];
            `global_descriptors` [G, D], not normalised, without `takes_scales` [1, D]. What the model does
            not give has no rows.
        """
        return self._extract(self._run, image, scales, global_scale_indices, max_num_features, threshold)

    def _extract(self, run: Function, image, scales, global_scale_indices, max_num_features: int,
                 threshold: float) -> dict[str, np.ndarray]:
        """What `extract` gives, by a function of the model."""
        places = list(global_scale_indices)
        outputs = {name: np.zeros(shape, np.float32) for name, shape in _NOTHING.items()}
        if self.has_local or not self._is_pooled:
            found = self._call(run, image, scales, [] if self._is_pooled else places, max_num_features,
                               threshold)
            outputs.update({name: found[name] for name in _NOTHING if name in found})
        if self.has_global and self._is_pooled:  # one scale at a time: pooling leaves a single one as it is
            chosen = [scales[place] for place in places] if self.takes_scales else [1.0]
            rows = [self._call(run, image, [scale], [0], 0, threshold)[_POOLED].reshape(1, -1)
                    for scale in chosen]
            outputs[_PER_SCALE] = np.concatenate(rows) if rows else outputs[_PER_SCALE]
        return outputs

    def extract_all(self, images: Sequence[np.ndarray], scales, global_scale_indices, max_num_features: int,
                    threshold: float) -> list[dict[str, np.ndarray]]:
        """What `extract` gives of each of several images of one size, computed together if the model can."""
        if self._run_batch is None or len(images) == 1:
            return [self.extract(image, scales, global_scale_indices, max_num_features, threshold)
                    for image in images]
        found = self._run_batch({
            "images": tf.constant(np.stack(images)), "input_scales": tf.constant(list(scales), tf.float32),
            "input_max_feature_num": tf.constant(max_num_features, tf.int32),
            "input_abs_thres": tf.constant(threshold, tf.float32),
            _GLOBAL_INPUT: tf.constant(list(global_scale_indices), tf.int32)})
        found = {name: value.numpy() for name, value in found.items()}
        found["scores"] = found["scores"][..., np.newaxis]
        return [{_PER_SCALE: found[_PER_SCALE][row],
                 **{name: found[name][row, :num] for name in _LOCAL_OUTPUTS}}
                for row, num in enumerate(found["num_features"])]

    def _call(self, run: Function, image, scales, places, max_num_features,
              threshold) -> dict[str, np.ndarray]:
        values = dict(zip(_INPUTS, (image, list(scales), max_num_features, threshold, places)))
        found = run({name: tf.constant(values[name], dtype) for name, dtype in self._dtypes.items()})
        return {name: value.numpy() for name, value in found.items()}


class _Entry(NamedTuple):
    """What runs a model."""

    run: Function
    dtypes: dict[str, tf.DType]  # of each input, in the order of the function's
    outputs: dict[str, int | None]  # last dimension, if known; in the order of the function's
    function: Any = None  # ConcreteFunction

    def rewritten(self, **how: Any) -> Function:
        return graph_calls.rewritten(self.function, list(self.dtypes), list(self.outputs), **how)


def _entry(module) -> _Entry:
    is_graph = hasattr(module, "prune")
    run = getattr(module, "signatures", {}).get("serving_default")
    specs = run.structured_input_signature[1] if run is not None else {}
    if specs and ("input_image" in specs or not is_graph):
        return _signature_entry(run)
    if not is_graph:
        return _Entry(_run_nothing, {}, {})
    inputs, outputs = ({name: tensor for name in names if (tensor := _tensor(module.graph, name)) is not None}
                       for names in (_INPUTS, _OUTPUTS))
    if not inputs or not outputs:
        fed = [operation.outputs[0] for operation in module.graph.get_operations()
               if operation.type == "Placeholder"]
        return _Entry(_run_nothing, {tensor.op.name: tensor.dtype for tensor in fed}, _last_dims(outputs))
    pruned = module.prune(list(inputs.values()), list(outputs.values()))
    return _Entry(lambda values: dict(zip(outputs, pruned(*(values[name] for name in inputs)))),
                  {name: tensor.dtype for name, tensor in inputs.items()}, _last_dims(outputs), pruned)


def _signature_entry(run) -> _Entry:
    specs = run.structured_input_signature[1]
    return _Entry(lambda values: run(**values), {name: specs[name].dtype for name in sorted(specs)},
                  _last_dims(dict(sorted(run.structured_outputs.items()))), run)  # as TensorFlow flattens it


def _last_dims(outputs: Mapping[str, Any]) -> dict[str, int | None]:
    return {name: tensor.shape[-1] if tensor.shape.rank else None for name, tensor in outputs.items()}


def _run_nothing(_: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    return {}


def _tensor(graph: tf.Graph, name: str) -> tf.Tensor | None:
    try:
        return graph.get_tensor_by_name(f"{name}:0")
    except KeyError:
        return None
