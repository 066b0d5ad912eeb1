"""Calls of graph functions with chosen rewrites by TensorFlow's graph optimizer, for these calls alone."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf
from tensorflow.core.protobuf import config_pb2
from tensorflow.core.protobuf.rewriter_config_pb2 import RewriterConfig

# All passes of a first call take a second, and gain nothing on a graph whose weights are variables and whose
# BatchNorm is folded. Kept is what fuses biases and activations into convolutions.
_LEFT_OUT = ("layout_optimizer", "shape_optimization", "constant_folding", "arithmetic_optimization",
             "dependency_optimization", "loop_optimization", "function_optimization", "debug_stripper",
             "scoped_allocator_optimization", "implementation_selector", "common_subgraph_elimination",
             "pin_to_host_optimization")
_REWRITES = {"bfloat16": "auto_mixed_precision_onednn_bfloat16", "float16": "auto_mixed_precision"}

Function = Callable[[dict[str, tf.Tensor]], dict[str, tf.Tensor]]


def rewritten(function, input_names: list[str], output_names: list[str], compute_dtype: str = "float32",
              is_simple: bool = False) -> Function:
    """A graph function, rewritten when it is first called; dtypes outside stay.

    Args:
        function: `ConcreteFunction`, such as a signature of a loaded SavedModel, which the caller holds.
        input_names: of its inputs, in their order.
        output_names: of its outputs, in their order.
        compute_dtype: what it computes in where that serves: float32; bfloat16, on processors; float16, on
            GPUs.
        is_simple: whether little can be gained by rewriting it, so that its first call comes sooner.

    Returns:
        Function from a dict of input tensors to a dict of output tensors. May be called from several threads.
    """
    config = config_pb2.ConfigProto()
    options = config.graph_options.rewrite_options
    if compute_dtype != "float32":
        setattr(options, _REWRITES[compute_dtype], RewriterConfig.ON)
    if is_simple:
        options.meta_optimizer_iterations = RewriterConfig.ONE
        options.memory_optimization = RewriterConfig.NO_MEM_OPT
        for name in _LEFT_OUT:
            setattr(options, name, RewriterConfig.OFF)
    serialized = config.SerializeToString()
    dtypes = [tensor.dtype for tensor in function.outputs]

    def run(values: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        # The operation behind every call of a function; called by itself, it takes options for this call
        # alone, where tf.config would set them for all that the process does.
        outputs = tf.raw_ops.StatefulPartitionedCall(
            args=[*(values[name] for name in input_names), *function.captured_inputs], Tout=dtypes,
            f=function, config_proto=serialized)
        return dict(zip(output_names, outputs))

    return run
