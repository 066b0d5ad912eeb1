"""Reads pickles of plain data without running anything that a pickle may ask for.

A pickle names functions to call. This reader knows the few that NumPy writes for its arrays, and puts
harmless stand-ins of its own in their place; any other name ends the reading. Not even NumPy's own functions
are called by the pickle's will: an array type that lies about its contents can reach foreign memory.

Neither can a small pickle ask for much memory or time: only the operations that plain data is written with
are followed, by the standard library's unpickler in Python, whose memo takes what it holds and not what an
index claims; and keys are strings and numbers, since the hash of nested tuples may take for ever.
"""

from __future__ import annotations

import io
import pickle
import re
import struct
from collections.abc import Callable
from typing import Any

import numpy as np

_PLAIN_TYPE = re.compile(r"[biuf](1|2|4|8)|[SU][0-9]{1,6}|O8?")
_VALUES_PER_BYTE = 100  # that it may stand for through references to what it holds once; chosen
FAULTS = (pickle.UnpicklingError, struct.error, EOFError, TypeError, ValueError, AttributeError, LookupError,
           RecursionError, MemoryError, OverflowError)


def read_pickle(path: str) -> Any:
    """The value in a pickle of dicts, lists, tuples, strings, bytes, numbers, None and numpy arrays.

    Arrays of strings or of objects come back as lists.

    Raises:
        ValueError: if the file is no pickle, or holds or calls anything else.
        FileNotFoundError: if it does not exist.
    """
    with open(path, "rb") as file:
        content = file.read()  # at hand, so that a length that claims more than there is reads just that
    try:
        value = _ArrayUnpickler(io.BytesIO(content), encoding="latin1").load()
        return _Settler(_VALUES_PER_BYTE * len(content) + 1000).settle(value)
    except FAULTS as error:
        raise ValueError(f"{path} must be a pickle of nothing but dicts, lists, strings, numbers and "
                         f"numpy arrays. Received: {error}.") from error


_OPERATIONS = b"".join((
    pickle.PROTO, pickle.FRAME, pickle.STOP, pickle.MARK, pickle.POP, pickle.POP_MARK, pickle.NONE,
    pickle.NEWTRUE, pickle.NEWFALSE, pickle.INT, pickle.BININT, pickle.BININT1, pickle.BININT2, pickle.LONG,
    pickle.LONG1, pickle.LONG4, pickle.FLOAT, pickle.BINFLOAT, pickle.STRING, pickle.BINSTRING,
    pickle.SHORT_BINSTRING, pickle.BINBYTES, pickle.SHORT_BINBYTES, pickle.BINBYTES8, pickle.UNICODE,
    pickle.BINUNICODE, pickle.SHORT_BINUNICODE, pickle.BINUNICODE8, pickle.EMPTY_TUPLE, pickle.TUPLE,
    pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3, pickle.EMPTY_LIST, pickle.LIST, pickle.APPEND,
    pickle.APPENDS, pickle.EMPTY_DICT, pickle.DICT, pickle.SETITEM, pickle.SETITEMS, pickle.GET,
    pickle.BINGET, pickle.LONG_BINGET, pickle.PUT, pickle.BINPUT, pickle.LONG_BINPUT, pickle.MEMOIZE,
    pickle.GLOBAL, pickle.STACK_GLOBAL, pickle.REDUCE, pickle.BUILD, pickle.BYTEARRAY8))


class _Dispatch(dict):
    def __missing__(self, code: int) -> Any:
        raise pickle.UnpicklingError(f"a pickle with the operation {bytes([code])!r}")


def _checked(fill: Callable, count: Callable[[pickle._Unpickler], int]) -> Callable:
    """`fill`, which puts the last `count` values of the stack in a dict as keys and values, if plain."""
    def checked(unpickler: pickle._Unpickler) -> None:
        keys = unpickler.stack[len(unpickler.stack) - count(unpickler)::2]
        if not all(isinstance(key, (str, bytes, int, float)) for key in keys):
            raise pickle.UnpicklingError("a dict with other keys than strings and numbers")
        fill(unpickler)

    return checked


def _build(unpickler: pickle._Unpickler) -> None:
    if not hasattr(type(unpickler.stack[-2]), "__setstate__"):  # only stand-ins have one
        raise pickle.UnpicklingError("a state for a value that has none")
    pickle._Unpickler.load_build(unpickler)


def _bytearray(unpickler: pickle._Unpickler) -> None:
    """The length is not believed before the bytes are there."""
    length, = struct.unpack("<Q", unpickler.read(8))
    unpickler.append(bytearray(unpickler.read(length)))


def _all_since_mark(unpickler: pickle._Unpickler) -> int:
    return len(unpickler.stack)


class PlainUnpickler(pickle._Unpickler):
    """Follows the operations that plain data is written with; names are looked up in `stand_ins` alone.

    Attributes:
        stand_ins: by module and name, what is called, or handed on, in its place; a subclass has its own.
    """

    stand_ins: dict[tuple[str, str], Any] = {}
    dispatch = _Dispatch({code: load for code, load in pickle._Unpickler.dispatch.items()
                          if code in _OPERATIONS})
    dispatch[pickle.SETITEM[0]] = _checked(pickle._Unpickler.load_setitem, lambda _: 2)
    dispatch[pickle.SETITEMS[0]] = _checked(pickle._Unpickler.load_setitems, _all_since_mark)
    dispatch[pickle.DICT[0]] = _checked(pickle._Unpickler.load_dict, _all_since_mark)
    dispatch[pickle.BUILD[0]] = _build
    dispatch[pickle.BYTEARRAY8[0]] = _bytearray

    def find_class(self, module: str, name: str) -> Any:
        found = self.stand_ins.get((module.replace("numpy._core", "numpy.core"), name))
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
            if self.value.size == 0:  # its other axes may claim any length
                self.value = self.value.reshape(0)


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


class _ArrayUnpickler(PlainUnpickler):
    stand_ins = {
        ("numpy", "dtype"): _make_dtype,
        ("numpy", "ndarray"): "numpy.ndarray",  # only ever handed to _reconstruct, which ignores it
        ("numpy.core.multiarray", "_reconstruct"): _make_array,
        ("numpy.core.multiarray", "scalar"): _make_scalar,
        ("numpy.core.numeric", "_frombuffer"): _make_array_from_buffer,
        ("_codecs", "encode"): _make_bytes,
        ("__builtin__", "bytes"): _make_empty_bytes,
    }


class _Settler:
    """Replaces every stand-in in a value by what it stands for.

    Each part is done once, however often the pickle refers to it. Parts that refer to parts may stand for far
    more values than the file has bytes, which whoever walks them would have to visit: these are refused.

    Args:
        most: values, counted as often as they are referred to, that there may be.
    """

    def __init__(self, most: int):
        self._most = most
        self._settled: dict[int, tuple[Any, int]] = {}  # by identity: a part and the values it stands for

    def settle(self, value: Any) -> Any:
        return self._settle(value)[0]

    def _settle(self, value: Any) -> tuple[Any, int]:
        if value is None or isinstance(value, (str, bytes, bool, int, float)):
            return value, 1
        if id(value) not in self._settled:
            self._settled[id(value)] = part, count = self._settle_part(value)
            if count > self._most:
                raise pickle.UnpicklingError(f"lists in lists that stand for over {self._most} values")
        return self._settled[id(value)]

    def _settle_part(self, value: Any) -> tuple[Any, int]:
        if isinstance(value, dict):
            parts = [(key, self._settle(entry)) for key, entry in value.items()]
            return {key: part for key, (part, _) in parts}, 1 + sum(2 + count for _, (_, count) in parts)
        if isinstance(value, (list, tuple)):
            parts = [self._settle(entry) for entry in value]
            return type(value)(part for part, _ in parts), 1 + sum(count for _, count in parts)
        if not isinstance(value, _Array):
            raise pickle.UnpicklingError(f"a value of type {type(value).__name__}")
        if isinstance(value.value, np.ndarray):
            array = value.value
            return (array if array.dtype.kind in "biuf" else array.tolist()), 1 + array.size
        return self._settle(value.value)
