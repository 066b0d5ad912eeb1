"""Code shards: the codes of the images of one TFRecord shard, and sets of them.

A shard `<split>-<i:05d>-of-<n:05d>.h5` holds, one row per image in the order of its source,

    ids           [N]        UTF-8 strings
    labels        [N]        int32, class; -1: none
    packed_codes  [N, B]     uint8, B = ceil(K / 8), packed as by `codes.pack`
    values        [N, K]     float32, in (-1, 1), what the bits were made from
    features      [N, D]     float32, what the code layer sees; D is 0 where they were not asked for

and the attributes `format` (int), `config` (JSON: `fingerprint` of the model, `code_size`, `prefix_sizes`
that codes may be cut to, `image_size`, `features`; all shards of one set carry the same) and `notes` (JSON:
`source_sha256`, `left_out`, `dataset`: which set the images are of).
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterator, Sequence
from typing import Any

import h5py
import numpy as np

from data_prep.stage import files, hdf5_files
from data_prep.stage.stored_settings import differences
from delg.vectors import sign_bits
from hashing.codes import codes
from hashing.networks.config import ModelConfig

# What a shard has had whose `config` lacks it.
DEFAULTS: dict[str, Any] = {"features": False, "prefix_sizes": []}
_FORMAT = 1
_ARRAYS = ("labels", "packed_codes", "values", "features")


@dataclasses.dataclass(frozen=True)
class EncodedImages:
    """Codes of some images; arrays as in the module's docstring."""

    ids: list[str]
    labels: np.ndarray
    packed_codes: np.ndarray
    values: np.ndarray
    features: np.ndarray
    config: dict[str, Any]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def code_size(self) -> int:
        """Bits of a code, K."""
        return self.values.shape[1]

    def take(self, rows: np.ndarray) -> EncodedImages:
        """Some of the images: int or bool [n]."""
        chosen = np.arange(len(self))[rows]
        arrays = {name: getattr(self, name)[chosen] for name in _ARRAYS}
        return dataclasses.replace(self, ids=[self.ids[row] for row in chosen], **arrays)

    def cut(self, num_bits: int) -> EncodedImages:
        """The same images by the first bits of their codes; 0: by all.

        Raises:
            ValueError: codes of this length were not trained.
        """
        prefix_sizes = tuple(self.config.get("prefix_sizes", DEFAULTS["prefix_sizes"]))
        size = ModelConfig(code_size=self.code_size, prefix_sizes=prefix_sizes).cut(num_bits).code_size
        return dataclasses.replace(self, packed_codes=codes.cut(self.packed_codes, size),
                                   values=self.values[:, :size], config={**self.config, "code_size": size})


def concatenate(parts: list[EncodedImages]) -> EncodedImages:
    """Sets of one model as one set, in their order; at least one."""
    parts = [part for part in parts if len(part)] or parts[:1]  # an empty one knows no size of features
    arrays = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _ARRAYS}
    return EncodedImages([image_id for part in parts for image_id in part.ids], **arrays,
                         config=parts[0].config)


def write_code_shard(path: str, images: EncodedImages, notes: dict[str, Any]) -> None:
    """Writes a shard, whole or not at all."""
    with hdf5_files.writing(path) as writer:
        writer.write_texts("ids", images.ids)
        for name in _ARRAYS:
            writer.write_array(name, getattr(images, name))
        writer.describe(config=json.dumps(images.config, sort_keys=True), notes=json.dumps(notes),
                        format=_FORMAT)


def read_attributes(path: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """`config` and `notes` of a shard.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no code shard.
    """
    with _opened(path) as file:
        return json.loads(file.attrs["config"]), json.loads(file.attrs["notes"])


def read_codes(pattern: str) -> EncodedImages:
    """All codes of the shards that match, in the order of their names.

    Args:
        pattern: folder or glob of code shards.

    Raises:
        FileNotFoundError: no shard matches.
        ValueError: a file is no code shard, shards are of different models, or an id occurs twice.
    """
    paths = files.matching(pattern, "*.h5")
    if not paths:
        raise FileNotFoundError(f"There must be code shards, as hashing.encode_images writes them. "
                                f"Received: {pattern!r}, which matches none.")
    parts = [_read(path) for path in paths]
    for path, part in zip(paths, parts):
        if differences(part.config, parts[0].config, DEFAULTS):
            raise ValueError("Code shards of one set must be of one model and one way of encoding. Received: "
                             f"{paths[0]} with {_shown(parts[0])}, {path} with {_shown(part)}.")
    images = concatenate(parts)
    if len(set(images.ids)) < len(images):
        names, counts = np.unique(images.ids, return_counts=True)
        raise ValueError(f"Image ids must be unique in {pattern!r}. "
                         f"Received: {str(names[counts > 1][0])!r} more than once.")
    return images


def datasets_of(pattern: str) -> set[str]:
    """Names of the sets that the images of the matching shards are of, as far as the shards say it."""
    notes = [read_attributes(path)[1] for path in files.matching(pattern, "*.h5")]
    return {note["dataset"] for note in notes if "dataset" in note}


def read_rows(pattern: str, name: str, ids: Sequence[str], fingerprint: str) -> np.ndarray:
    """One array of some images, in their order, without reading that of the others.

    Args:
        pattern: folder or glob of code shards.
        name: values or features.
        ids: of the images; at least one.
        fingerprint: of the model that made them.

    Raises:
        ValueError: a file is no code shard, is of another model, or an image is in none of them.
    """
    found: dict[str, np.ndarray] = {}
    wanted = set(ids)
    for path in files.matching(pattern, "*.h5"):
        with _opened(path) as file:
            received = json.loads(file.attrs["config"]).get("fingerprint")
            if received != fingerprint:
                raise ValueError(f"Codes must be of the model of the index, {fingerprint[:12]}. "
                                 f"Received: {path} of {received[:12]}.")
            held = list(file["ids"].asstr()[:])
            rows = [row for row, image_id in enumerate(held) if image_id in wanted]
            found.update(zip([held[row] for row in rows], file[name][rows]))
    missing = wanted - found.keys()
    if missing:
        raise ValueError("`index_codes` must hold every image of the index. Received: "
                         f"{pattern!r}, which lacks {len(missing)}, such as {min(missing)!r}.")
    return np.stack([found[image_id] for image_id in ids])


def _shown(images: EncodedImages) -> str:
    return ", ".join(f"{name}={str(value)[:12]}" for name, value in sorted(images.config.items()))


@contextlib.contextmanager
def _opened(path: str) -> Iterator[h5py.File]:
    with hdf5_files.reading(path, "a code shard of hashing.encode_images (HDF5)") as file:
        if file.attrs.get("format") != _FORMAT or any(name not in file for name in ("ids", *_ARRAYS)):
            raise ValueError(f"{path} must be a code shard of hashing.encode_images, with ids, "
                             f"{', '.join(_ARRAYS)}. It holds: {', '.join(file) or 'nothing'}.")
        yield file


def _read(path: str) -> EncodedImages:
    with _opened(path) as file:
        ids = list(file["ids"].asstr()[:])
        arrays = {name: file[name][:] for name in _ARRAYS}
        config = json.loads(file.attrs["config"])
        shapes = {name: array.shape for name, array in arrays.items()}
        size = config.get("code_size")
        expected = {"labels": (len(ids),), "packed_codes": (len(ids), sign_bits.num_bytes(size or 0)),
                    "values": (len(ids), size), "features": (len(ids), shapes["features"][-1])}
    if shapes != expected:
        raise ValueError(f"Arrays in {path} must have the shapes {expected}. Received: {shapes}.")
    return EncodedImages(ids, **arrays, config=config)
