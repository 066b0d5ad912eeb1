"""Reads pickles of plain data without running anything that a pickle may ask for.

A pickle names functions to call. This reader knows the few that NumPy writes for its arrays, and puts
harmless stand-ins of its own in their place; any other name ends the reading. Not even NumPy's own functions
are called by the pickle's will: an array type that lies about its contents can reach foreign memory.
"""

from __future__ import annotations

import pickle
import re
from typing import Any

import numpy as np

_PLAIN_TYPE = re.compile(r"[biuf](1|2|4|8)|[SU][0-9]{1,6}|O8?")
_FAULTS = (pickle.UnpicklingError, EOFError, TypeError, ValueError, AttributeError, LookupError,
           RecursionError, MemoryError, OverflowError)


def read_pickle(path: str) -> Any:
    """The value in a pickle of dicts, lists, tuples, strings, bytes, numbers, None and numpy arrays.

    Arrays of strings or of objects come back as lists.

    Raises:
        ValueError: if the file is no pickle, or holds or calls anything else.
        FileNotFoundError: if it does not exist.
    """
    with open(path, "rb") as file:
        try:
            return _settle(_PlainUnpickler(file, encoding="latin1").load(), {})
        except _FAULTS as error:
            raise ValueError(f"{path} must be a pickle of nothing but dicts, lists, strings, numbers and "
                             f"numpy arrays. Received: {error}.") from error


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        found = _STAND_INS.get((module.replace("numpy._core", "numpy.core"), name))
        if found is None:
            raise pickle.UnpicklingError(f"a pickle that calls {module}.{name}")
        return found


class _DType:
    def __init__(self, spec: str):
        if not (isinstance(spec, str) and _PLAIN_TYPE.fullmatch(spec)):
            raise pickle.UnpicklingError(f"an array of type {spec!r}")
        self.numpy = np.dtype(spec)

    def __setstate__(self, state: tuple) -> None:
        if state[1] in ("<", ">"):
            self.numpy = self.numpy.newbyteorder(state[1])


class _Array:
    value: Any = None

    def __setstate__(self, state: tuple) -> None:
        _, shape, dtype, is_fortran, data = state
        if dtype.numpy.hasobject:
            if not isinstance(data, list) or len(shape) > 1:
                raise pickle.UnpicklingError("an array of objects of more than one axis")
            self.value = data
        else:
            self.value = _from_bytes(data, dtype).reshape(shape, order="F" if is_fortran else "C")


def _from_bytes(data: Any, dtype: _DType) -> np.ndarray:
    data = data.encode("latin1") if isinstance(data, str) else data  # Python 2 wrote bytes as strings
    if dtype.numpy.hasobject:
        raise pickle.UnpicklingError("objects made of bytes")
    return np.frombuffer(data, dtype.numpy).copy()


def _make_dtype(spec: Any, *_: Any) -> _DType:
    return _DType(spec)


def _make_array(*_: Any) -> _Array:
    return _Array()


def _make_scalar(dtype: _DType, data: Any) -> Any:
    return _from_bytes(data, dtype)[0].item()


def _make_array_from_buffer(data: Any, dtype: _DType, shape: tuple, order: str) -> _Array:
    array = _Array()
    array.__setstate__((1, shape, dtype, order == "F", data))
    return array


def _make_empty_bytes() -> bytes:
    return b""


def _make_bytes(text: str, encoding: str = "latin1") -> bytes:
    return text.encode("latin1")


_STAND_INS = {
    ("numpy", "dtype"): _make_dtype,
    ("numpy", "ndarray"): "numpy.ndarray",  # only ever handed to _reconstruct, which ignores it
    ("numpy.core.multiarray", "_reconstruct"): _make_array,
    ("numpy.core.multiarray", "scalar"): _make_scalar,
    ("numpy.core.numeric", "_frombuffer"): _make_array_from_buffer,
    ("_codecs", "encode"): _make_bytes,
    ("__builtin__", "bytes"): _make_empty_bytes,
}


def _settle(value: Any, settled: dict[int, Any]) -> Any:
    """The value with every stand-in replaced by what it stands for.

    Each part is done once, however often the pickle refers to it; `settled` keeps them by identity.
    """
    if value is None or isinstance(value, (str, bytes, bool, int, float)):
        return value
    if id(value) not in settled:
        settled[id(value)] = _settle_part(value, settled)
    return settled[id(value)]


def _settle_part(value: Any, settled: dict[int, Any]) -> Any:
    if isinstance(value, dict):
        return {_settle(key, settled): _settle(entry, settled) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_settle(entry, settled) for entry in value)
    if not isinstance(value, _Array):
        raise pickle.UnpicklingError(f"a value of type {type(value).__name__}")
    if isinstance(value.value, np.ndarray):
        return value.value if value.value.dtype.kind in "biuf" else value.value.tolist()
    return _settle(value.value, settled)
