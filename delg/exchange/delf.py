"""Files of DELG's reference implementation: `.delg_global`, `.delg_local`, `.delf` and `.datum`.

They are protocol buffers without a header. The messages are put together here by their field numbers, so
that nothing has to be compiled beforehand and any release of protobuf will do:

    DatumShape    dim = 1 (int64, packed)
    FloatList     value = 1 (float, packed)
    Uint32List    value = 1 (uint32, packed)
    DatumProto    shape = 1, float_list = 2 or uint32_list = 3; values in row-major order
    DelfFeature   descriptor = 1 (DatumProto), x = 2, y = 3, scale = 4, orientation = 5, strength = 6 (floats)
    DelfFeatures  feature = 1 (repeated DelfFeature)

A `.delg_global` and a `.datum` are a DatumProto, a `.delg_local` and a `.delf` are DelfFeatures.
Source: proto files of tensorflow/models, research/delf.
"""

from __future__ import annotations

import math
import os

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message, message_factory

from data_prep.stage import files
from delg.features.shards import LocalFeatures, no_local_features

MAX_BYTES = 2**28  # of one file; 1000 features of 128 dimensions take half a million
_PACKAGE = "delf.protos"
_TYPES = {"int64": 3, "uint32": 13, "float": 2}  # numbers of descriptor.proto
_MESSAGES = {  # message: (field, number, type, repeated)
    "DatumShape": (("dim", 1, "int64", True),),
    "FloatList": (("value", 1, "float", True),),
    "Uint32List": (("value", 1, "uint32", True),),
    "DatumProto": (("shape", 1, "DatumShape", False), ("float_list", 2, "FloatList", False),
                   ("uint32_list", 3, "Uint32List", False)),
    "DelfFeature": (("descriptor", 1, "DatumProto", False), ("x", 2, "float", False),
                    ("y", 3, "float", False), ("scale", 4, "float", False),
                    ("orientation", 5, "float", False), ("strength", 6, "float", False)),
    "DelfFeatures": (("feature", 1, "DelfFeature", True),),
}


def _message_classes() -> dict[str, type[message.Message]]:
    file = descriptor_pb2.FileDescriptorProto(name="delf.proto", package=_PACKAGE, syntax="proto2")
    for message_name, fields in _MESSAGES.items():
        described = file.message_type.add(name=message_name)
        for name, number, kind, repeated in fields:
            field = described.field.add(name=name, number=number)
            field.label = field.LABEL_REPEATED if repeated else field.LABEL_OPTIONAL
            if kind in _TYPES:
                field.type = _TYPES[kind]
                field.options.packed = repeated
            else:
                field.type, field.type_name = field.TYPE_MESSAGE, f".{_PACKAGE}.{kind}"
    pool = descriptor_pool.DescriptorPool()  # one of our own: the reference's package may be loaded as well
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))
            for name in _MESSAGES}


_CLASSES = _message_classes()


def write_datum(path: str, values: np.ndarray) -> None:
    """Writes an array as a DatumProto; a `.delg_global` is one of shape [D].

    Args:
        path: of the file, replaced if there.
        values: float or uint32, any shape; floats become float32.
    """
    _write(path, _to_datum(np.asarray(values)))


def read_datum(path: str) -> np.ndarray:
    """The array in a DatumProto, float32 or uint32, in the shape that the file gives.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is larger than MAX_BYTES, no DatumProto, or its shape and values disagree.
    """
    return _from_datum(_read(path, "DatumProto"), path)


def write_local_features(path: str, local: LocalFeatures) -> None:
    """Writes the local features of an image as DelfFeatures, in their order; orientations are 0.

    Args:
        path: of the file, `.delg_local` or `.delf`, replaced if there.
        local: may be empty.
    """
    features = _CLASSES["DelfFeatures"]()
    for (y, x), descriptor, score, scale in zip(local.keypoints_yx.tolist(), np.asarray(local.descriptors),
                                                local.scores.tolist(), local.scales.tolist()):
        features.feature.add(descriptor=_to_datum(descriptor), x=x, y=y, scale=scale, orientation=0.0,
                             strength=score)
    _write(path, features)


def read_local_features(path: str) -> LocalFeatures:
    """The local features in DelfFeatures, as the file orders them.

    An empty file stands for an image without features, as it does where it was written.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is larger than MAX_BYTES, no DelfFeatures, or its descriptors differ in shape.
    """
    features = _read(path, "DelfFeatures").feature
    if not features:
        return no_local_features()
    descriptors = [_from_datum(feature.descriptor, path) for feature in features]
    shapes = {descriptor.shape for descriptor in descriptors}
    if len(shapes) > 1 or len(next(iter(shapes))) != 1:
        raise ValueError(f"{path} must hold descriptors that are vectors of one length. "
                         f"Received: shapes {', '.join(map(str, sorted(shapes)))}.")
    numbers = np.array([(feature.y, feature.x, feature.strength, feature.scale) for feature in features],
                       np.float32)
    return LocalFeatures(numbers[:, :2], np.stack(descriptors).astype(np.float32), numbers[:, 2],
                         numbers[:, 3])


def _to_datum(values: np.ndarray) -> message.Message:
    datum = _CLASSES["DatumProto"]()
    datum.shape.dim.extend(values.shape)
    if values.dtype == np.uint32:
        datum.uint32_list.value.extend(values.ravel().tolist())
    else:
        datum.float_list.value.extend(values.astype(np.float32).ravel().tolist())
    return datum


def _from_datum(datum: message.Message, path: str) -> np.ndarray:
    is_integer = datum.HasField("uint32_list")
    values = datum.uint32_list.value if is_integer else datum.float_list.value
    shape = tuple(datum.shape.dim)
    if not shape or min(shape) < 0 or math.prod(shape) != len(values):
        raise ValueError(f"{path} must hold as many values as its shape asks for. "
                         f"Received: shape {shape}, {len(values)} values.")
    return np.array(values, np.uint32 if is_integer else np.float32).reshape(shape)


def _write(path: str, content: message.Message) -> None:
    with files.replacing(path) as temporary, open(temporary, "wb") as file:
        file.write(content.SerializeToString())


def _read(path: str, name: str) -> message.Message:
    size = os.path.getsize(path)
    if size > MAX_BYTES:
        raise ValueError(f"{path} must be a {name} of at most {MAX_BYTES} bytes. Received: {size} bytes.")
    with open(path, "rb") as file:
        encoded = file.read(MAX_BYTES)
    try:
        return _CLASSES[name].FromString(encoded)
    except message.DecodeError as error:
        raise ValueError(f"{path} must be a {name}. Received: {size} bytes that are none "
                         f"({error}).") from error
