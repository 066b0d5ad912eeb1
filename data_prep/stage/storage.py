"""Files of this machine, or of storage that TensorFlow reads, by a path with a scheme such as gs:// or s3://."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import secrets
from collections.abc import Iterator
from typing import BinaryIO

from data_prep.stage.lazy_module import LazyModule

tf = LazyModule("tensorflow")

_SCHEME_MARK = "://"
_MORE_SCHEMES = "tensorflow_io"  # a package that brings s3:// and others to TensorFlow


def is_remote(path: str) -> bool:
    """Whether a path or pattern is of a scheme, such as gs://BUCKET/train-*, and no file of this machine."""
    return _SCHEME_MARK in path


def glob(pattern: str) -> list[str]:
    """Paths in such storage that match a glob, sorted."""
    with reaching(pattern):
        return sorted(tf.io.gfile.glob(pattern))


def exists(path: str) -> bool:
    """Whether there is a file."""
    if not is_remote(path):
        return os.path.exists(path)
    with reaching(path):
        return tf.io.gfile.exists(path)


def num_bytes(path: str) -> int:
    """Size of a file.

    Raises:
        FileNotFoundError: there is none.
    """
    if not is_remote(path):
        return os.path.getsize(path)
    with reaching(path):
        return tf.io.gfile.stat(path).length


def open_binary(path: str) -> BinaryIO:
    """A file to read from start to end; one that is not on this machine is read at once.

    Raises:
        FileNotFoundError: there is none.
    """
    if not is_remote(path):
        return open(path, "rb")
    with reaching(path), tf.io.gfile.GFile(path, "rb") as file:
        return io.BytesIO(file.read())


def write(path: str, content: bytes) -> None:
    """Writes a file to such storage, whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    directory, name = os.path.split(path)
    temporary = f"{directory}/.{name}.{secrets.token_hex(4)}.tmp"
    with reaching(path):
        tf.io.gfile.makedirs(directory)
        with tf.io.gfile.GFile(temporary, "wb") as file:
            file.write(content)
        tf.io.gfile.rename(temporary, path, overwrite=True)


@contextlib.contextmanager
def reaching(path: str) -> Iterator[None]:
    """Has errors of TensorFlow's file systems in the block be those of Python, with the path.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: TensorFlow does not know the scheme.
        OSError: what else goes wrong.
    """
    _learn_scheme(path)
    try:
        yield
    except tf.errors.NotFoundError as error:
        raise FileNotFoundError(f"{path} does not exist: {error.message}") from error
    except tf.errors.OpError as error:
        raise OSError(f"{path} cannot be read or written: {error.message}") from error


def _learn_scheme(path: str) -> None:
    """Imports what brings a scheme that TensorFlow alone does not know."""
    scheme = path.split(_SCHEME_MARK)[0]
    for _ in range(2):
        if scheme in tf.io.gfile.get_registered_schemes():
            return
        try:
            importlib.import_module(_MORE_SCHEMES)
        except ImportError:
            break
    known = ", ".join(sorted(name for name in tf.io.gfile.get_registered_schemes() if name))
    raise ValueError(f"TensorFlow must know the scheme of {path}; tensorflow-io, for s3:// and others, is "
                     f"a package of its own (pip install tensorflow-io==0.36.0). It knows: {known}.")
