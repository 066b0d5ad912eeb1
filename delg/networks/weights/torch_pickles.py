"""Tensors from the files that `torch.save` wrote before version 1.6, read without torch and without trust.

Such a file is five pickles, one after the other (a magic number, the format's version, facts of the machine,
the values, the keys of their storages), then each storage: its length (int64) and its numbers, little-endian.
A pickle names functions to call: four names are known here, with stand-ins of our own in their place, and any
other name ends the reading. Of numbers a file can hold no more than it has bytes.
Source: torch/serialization.py of PyTorch, `_legacy_save`.
"""

from __future__ import annotations

import io
import pickle
import struct
from typing import Any

import numpy as np

from data_prep.sources.formats.plain_pickle import FAULTS, PlainUnpickler

_MAGIC, _VERSION = 0x1950A86A20F9469CFC6C, 1001
_MOST_BYTES = 2**30  # of a file; the largest network read here has a fortieth of that
_MOST_AXES = 8  # chosen; kernels have 4


def read_torch_tensors(path: str) -> dict[str, np.ndarray]:
    """Tensors by name.

    Args:
        path: file of a dict of tensors, as `torch.save(model.state_dict(), path)` wrote it.

    Returns:
        float32 and int64 arrays, of at least no axis.

    Raises:
        ValueError: the file is of another format, damaged, or calls or holds anything else.
        FileNotFoundError: there is no such file.
    """
    with open(path, "rb") as file:
        content = file.read(_MOST_BYTES + 1)
    try:
        if len(content) > _MOST_BYTES:
            raise pickle.UnpicklingError(f"more than {_MOST_BYTES} bytes")
        return _read(io.BytesIO(content))
    except FAULTS as error:
        raise ValueError(f"{path} must hold a dict of tensors in torch's format of before version 1.6. "
                         f"Received: {error}.") from error


def _read(file: io.BytesIO) -> dict[str, np.ndarray]:
    magic, version, _, tensors, keys = (_Unpickler(file).load() for _ in range(5))
    if (magic, version) != (_MAGIC, _VERSION):
        raise pickle.UnpicklingError("a file without torch's magic number")
    if not (isinstance(tensors, _State) and all(isinstance(tensor, _Tensor) for tensor in tensors.values())):
        raise pickle.UnpicklingError("another value than a dict of tensors")
    announced = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
    if not (isinstance(keys, list) and all(isinstance(key, str) for key in keys)
            and sorted(keys) == sorted(announced)):
        raise pickle.UnpicklingError("other storages than the tensors have")
    storages = {key: _read_storage(file, announced[key]) for key in keys}
    if file.read(1):
        raise pickle.UnpicklingError("bytes after the last storage")
    return {str(name): tensor.of(storages) for name, tensor in tensors.items()}


def _read_storage(file: io.BytesIO, storage: _Storage) -> np.ndarray:
    length, = struct.unpack("<q", file.read(8))
    if length != storage.length:
        raise pickle.UnpicklingError(f"a storage of {length} numbers where {storage.length} were announced")
    return np.frombuffer(file.read(length * storage.dtype.itemsize), storage.dtype, length)


def _are_counts(numbers: Any) -> bool:
    """Whether it is a tuple of not too many whole numbers that a file can have as sizes."""
    return (isinstance(numbers, tuple) and len(numbers) <= _MOST_AXES
            and all(type(number) is int and 0 <= number <= _MOST_BYTES for number in numbers))


class _Storage:
    """Numbers that tensors share: their key in the file, type and count."""

    def __init__(self, dtype: str, key: str, length: int):
        self.dtype, self.key, self.length = np.dtype(dtype), key, length


class _Tensor:
    """A part of a storage, its axes in any order; no number twice, so that a byte never stands for more."""

    def __init__(self, storage: Any, offset: Any, shape: Any, strides: Any, *_: Any):
        if not (isinstance(storage, _Storage) and all(map(_are_counts, ((offset,), shape, strides)))
                and len(shape) == len(strides)):
            raise pickle.UnpicklingError("a tensor whose storage, shape or strides are none")
        self.storage, self.offset, self.shape = storage, offset, shape
        self.order = sorted(range(len(shape)), key=lambda axis: (-strides[axis], -shape[axis]))
        count = 1
        for axis in reversed(self.order):
            if shape[axis] != 1 and strides[axis] != count:
                raise pickle.UnpicklingError(f"a tensor of shape {shape} and strides {strides}")
            count *= shape[axis]
        if offset + count > storage.length:
            raise pickle.UnpicklingError(f"a tensor of {count} numbers from {offset} on in a storage of "
                                         f"{storage.length}")
        self.count = count

    def of(self, storages: dict[str, np.ndarray]) -> np.ndarray:
        """Its numbers."""
        numbers = storages[self.storage.key][self.offset:self.offset + self.count]
        return numbers.reshape([self.shape[axis] for axis in self.order]).transpose(np.argsort(self.order))


class _State(dict):
    """Values by name; what torch says of versions beside them is passed over."""

    def __setstate__(self, _: Any) -> None:
        pass


class _Unpickler(PlainUnpickler):
    stand_ins = {
        ("collections", "OrderedDict"): _State,
        ("torch._utils", "_rebuild_tensor_v2"): _Tensor,
        ("torch", "FloatStorage"): "<f4",  # only ever handed to `persistent_load`
        ("torch", "LongStorage"): "<i8",
    }
    dispatch = type(PlainUnpickler.dispatch)({
        **PlainUnpickler.dispatch, pickle.BINPERSID[0]: pickle._Unpickler.load_binpersid})

    def persistent_load(self, key: Any) -> _Storage:
        if not (isinstance(key, tuple) and len(key) == 6 and key[0] == "storage" and key[5] is None
                and isinstance(key[1], str) and isinstance(key[2], str) and _are_counts((key[4],))):
            raise pickle.UnpicklingError("a storage that is described in another way than torch's")
        return _Storage(key[1], key[2], key[4])
