"""Reduced precision for exported models: bfloat16 or float16 where it is fast and the model bears it.

TensorFlow's graph optimizer rewrites a loaded function (`graph_calls`): convolutions and matrix products, and
what lies between them, read and write 16 bits and sum in float32; weights stay as they are stored, pooling
and norms in float32. So it serves models made elsewhere too, whose graphs nobody can build again.
"""

from __future__ import annotations

import re

import numpy as np
import tensorflow as tf

_PROCESSOR_FLAGS = ("avx512_bf16", "amx_bf16")
_TENSOR_CORES = (7, 0)  # least compute capability that TensorFlow's optimizer takes for float16
_CPU_INFO = "/proc/cpuinfo"
LEAST_COSINE = 0.999  # between descriptors in float32 and in 16 bits, mean; chosen: no ranking notices it
_LEAST_SHARED = 0.5  # of the keypoints, in both; chosen: else cosines at the few that are say little
_PLACE_DECIMALS = 2  # of pixels; the same keypoint has the same place but for rounding


def reduced_type() -> str:
    """The type of 16 bits that is fast here: float16 on GPUs with tensor cores, else bfloat16; or empty."""
    devices = tf.config.list_physical_devices("GPU")
    if not devices:
        return "bfloat16" if has_bfloat16() else ""
    details = map(tf.config.experimental.get_device_details, devices)
    has_cores = all(found.get("compute_capability", (0, 0)) >= _TENSOR_CORES for found in details)
    return "float16" if has_cores else ""


def has_bfloat16(cpu_info: str = _CPU_INFO) -> bool:
    """Whether bfloat16 is fast here: processors with instructions for it, and no GPU.

    Args:
        cpu_info: file that lists the processor's abilities, as Linux has it; elsewhere the answer is no.
    """
    try:
        with open(cpu_info, encoding="utf-8") as file:
            found = re.search(r"^flags\s*:(.*)$", file.read(), re.MULTILINE)
    except OSError:
        return False
    flags = found.group(1).split() if found else []
    return any(flag in flags for flag in _PROCESSOR_FLAGS) and not tf.config.list_physical_devices("GPU")


def probe_image(side: int = 256) -> np.ndarray:
    """An image with detail of all sizes, as photographs have it, to compare precisions on.

    Args:
        side: pixels.

    Returns:
        uint8, [side, side, 3].
    """
    rng = np.random.default_rng(0)
    image = np.zeros((side, side, 3), np.float32)
    for cells in (4, 8, 16, 32, 64, 128):
        detail = rng.normal(size=(1, cells, cells, 3)) * 128 / cells**0.5
        image += tf.image.resize(detail, (side, side), "bicubic")[0].numpy()
    return np.clip(128 + image, 0, 255).astype(np.uint8)


def are_alike(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> bool:
    """Whether two extractions of an image, dicts as of `ExportedModel.extract`, give next to the same."""
    places = [np.column_stack([found["boxes"], found["scales"]]) for found in (first, second)]
    local = keypoint_cosines((places[0], first["features"]), (places[1], second["features"]))
    if len(local) < _LEAST_SHARED * max(map(len, places)):
        return False
    both = (local, cosines(first["global_descriptors"], second["global_descriptors"]))
    return all(found.mean() >= LEAST_COSINE for found in both if found.size)


def keypoint_cosines(first: tuple[np.ndarray, np.ndarray],
                     second: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Cosines between the descriptors that two sets have at the same places.

    Args:
        first: places, float [n, p], such as y, x and scale of keypoints, and descriptors, float [n, d].
        second: the same of the other set, [m, p] and [m, d].

    Returns:
        float, [number of places in both].
    """
    ours, theirs = ([tuple(place) for place in np.round(np.float64(places), _PLACE_DECIMALS)]
                    for places in (first[0], second[0]))  # 0.71 of float32 is not 0.71 of float64
    rows = {place: row for row, place in enumerate(ours)}
    pairs = [(rows[place], row) for row, place in enumerate(theirs) if place in rows]
    ours, theirs = np.array(pairs, int).reshape(-1, 2).T
    return cosines(first[1][ours], second[1][theirs])


def cosines(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Cosine between each row of one array and the same row of another, [n, d] each; 0 where one is zero."""
    norms = np.linalg.norm(first, axis=-1) * np.linalg.norm(second, axis=-1)
    return np.sum(first * second, axis=-1) / np.maximum(norms, 1e-20)
