import collections
import io
import os
import pickle
import struct
import sys
import tempfile
import types
import unittest
from unittest import mock

import numpy as np

from delg.networks.weights.torch_pickles import read_torch_tensors


def _named(name, **attributes):
    module = types.ModuleType(name)
    for key, value in attributes.items():
        value.__module__, value.__qualname__ = name, key
        setattr(module, key, value)
    return module


class FloatStorage:
    """Stands for torch's class in the pickles that are written here."""


class LongStorage:
    """Stands for torch's class in the pickles that are written here."""


def _rebuild_tensor_v2():
    """Stands for torch's function in the pickles that are written here."""


_TORCH = {"torch": _named("torch", FloatStorage=FloatStorage, LongStorage=LongStorage),
          "torch._utils": _named("torch._utils", _rebuild_tensor_v2=_rebuild_tensor_v2)}


class _Storage:
    def __init__(self, values, key="1"):
        self.values, self.key = np.asarray(values), key


class _Tensor:
    def __init__(self, storage, offset, shape, strides):
        self.arguments = (storage, offset, shape, strides, False, collections.OrderedDict())

    def __reduce__(self):
        return _rebuild_tensor_v2, self.arguments


class _Pickler(pickle.Pickler):
    def persistent_id(self, value):
        if not isinstance(value, _Storage):
            return None
        kind = {"f": FloatStorage, "i": LongStorage}[value.values.dtype.kind]
        return "storage", kind, value.key, "cpu", len(value.values), None


def _written(values, storages, version=1001):
    """Bytes as `torch.save` of before 1.6 wrote them."""
    file = io.BytesIO()
    with mock.patch.dict(sys.modules, _TORCH):
        for part in (0x1950A86A20F9469CFC6C, version, {"little_endian": True}, values,
                     [storage.key for storage in storages]):
            _Pickler(file, protocol=2).dump(part)
    for storage in storages:
        file.write(struct.pack("<q", len(storage.values)) + storage.values.tobytes())
    return file.getvalue()


def _of(**tensors):
    return collections.OrderedDict(tensors)


_FLOATS = _Storage(np.arange(12, dtype=np.float32))


class ReadTorchTensorsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "model.pth")

    def _read(self, content):
        with open(self.path, "wb") as file:
            file.write(content)
        return read_torch_tensors(self.path)

    def test_reads_parts_of_storages_in_any_order_of_axes(self):
        count = _Storage(np.int64([7]), "2")
        tensors = self._read(_written(_of(
            rows=_Tensor(_FLOATS, 0, (3, 4), (4, 1)), columns=_Tensor(_FLOATS, 2, (2, 5), (1, 2)),
            single=_Tensor(_FLOATS, 1, (1, 3), (99, 1)), count=_Tensor(count, 0, (), ())), [_FLOATS, count]))
        np.testing.assert_array_equal(tensors["rows"], np.arange(12).reshape(3, 4))
        np.testing.assert_array_equal(tensors["columns"], np.arange(2, 12).reshape(5, 2).T)
        np.testing.assert_array_equal(tensors["single"], [[1, 2, 3]])
        self.assertEqual((tensors["rows"].dtype, tensors["count"].dtype, tensors["count"]),
                         (np.float32, np.int64, 7))

    def test_passes_over_versions_of_modules(self):
        values = _of(rows=_Tensor(_FLOATS, 0, (12,), (1,)))
        values._metadata = {"": {"version": 1}}
        self.assertEqual(self._read(_written(values, [_FLOATS]))["rows"].shape, (12,))

    def _assert_refuses(self, content, message):
        with self.assertRaisesRegex(ValueError, f"model.pth must hold a dict of tensors in .*{message}"):
            self._read(content)

    def test_calls_nothing_else(self):
        for function in (os.system, eval, np.zeros):
            with self.subTest(function.__name__):
                call = type("Call", (), {"__reduce__": lambda _, function=function: (function, ("1",))})()
                self._assert_refuses(_written(_of(rows=call), []), "a pickle that calls ")

    def test_refuses_tensors_that_stand_for_more_than_their_storage(self):
        for offset, shape, strides in ((0, (2**20, 2**20), (0, 0)), (0, (3, 4), (1, 1)), (0, (13,), (1,)),
                                       (1, (12,), (1,)), (0, (2**30,) * 8, (1,) * 8), (-1, (3,), (1,)),
                                       (0, (3, 4), (4,)), (0, [3], (1,)), (0, (True,), (1,))):
            with self.subTest(f"{offset} {shape} {strides}"):
                tensor = _Tensor(_FLOATS, offset, shape, strides)
                self._assert_refuses(_written(_of(rows=tensor), [_FLOATS]), "a tensor ")

    def test_refuses_other_values_and_versions(self):
        tensor = _Tensor(_FLOATS, 0, (12,), (1,))
        whole = _written(_of(rows=tensor), [_FLOATS])
        for content, message in ((_written(_of(rows=3), [_FLOATS]), "another value than a dict of tensors"),
                                 (_written([tensor], [_FLOATS]), "another value than a dict of tensors"),
                                 (_written(_of(rows=tensor), []), "other storages than the tensors have"),
                                 (_written(_of(), [], version=1002), "without torch's magic number"),
                                 (whole + b"!", "bytes after the last storage"), (b"PK\x03\x04", ""),
                                 (b"", "")):
            with self.subTest(message):
                self._assert_refuses(content, message)

    def test_refuses_storages_of_another_length_than_announced(self):
        content = bytearray(_written(_of(rows=_Tensor(_FLOATS, 0, (12,), (1,))), [_FLOATS]))
        content[-12 * 4 - 8:-12 * 4] = struct.pack("<q", 2**40)
        self._assert_refuses(bytes(content), "a storage of 1099511627776 numbers where 12 were announced")

    def test_every_cut_is_refused(self):
        content = _written(_of(rows=_Tensor(_FLOATS, 0, (3, 4), (4, 1))), [_FLOATS])
        for end in range(len(content)):
            self._assert_refuses(content[:end], "")

    def test_damage_is_an_error_or_other_numbers(self):
        content = _written(_of(rows=_Tensor(_FLOATS, 0, (3, 4), (4, 1))), [_FLOATS])
        generator = np.random.default_rng(0)
        for _ in range(500):
            damaged = bytearray(content)
            damaged[generator.integers(len(content))] = generator.integers(256)
            try:
                tensors = self._read(bytes(damaged))
            except ValueError as error:
                self.assertIn("model.pth must hold", str(error))
            else:
                self.assertLessEqual(sum(tensor.size for tensor in tensors.values()), 12)

    def test_says_which_file_is_missing(self):
        with self.assertRaisesRegex(FileNotFoundError, "model.pth"):
            read_torch_tensors(self.path)


if __name__ == "__main__":
    unittest.main()
