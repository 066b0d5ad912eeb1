"""What a type of index is: one record of the table `delg.settings.kinds.INDEX_KINDS`, with its settings.

Settings and flags of an index come from the modules of its types, so these never import
`delg.settings.index`. Most types are no class of their own: `candidates.kind.CandidateKind` needs a way to
find candidates among global descriptors, `asmk.kind.AsmkKind` a kernel that compares aggregated local
features.
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from data_prep.stage.settings import check_fields, setting
from data_prep.stage.table import AutoOr
from delg.index.admission import Admission
from delg.index.files import IndexFiles, IndexWriter
from delg.settings.kinds import INDEX_KINDS

if TYPE_CHECKING:
    import numpy as np

AUTO = "auto"  # the type that fits the number of images
DESCRIPTOR_DTYPES = ("float32", "float16")


@dataclasses.dataclass(frozen=True)
class CommonConfig:
    """Settings of an index of any type; those of one type extend them."""

    index_type: str = setting(
        AUTO, help="how neighbours are found: by comparison with every image, among candidates found first, "
        "or by local features; auto: what fits the number of images", choices=AutoOr(INDEX_KINDS))
    descriptor_dtype: str = setting(
        "float32", help="type that descriptors are stored in; float16: half the file, but slower; not for "
        "binary_asmk", choices=DESCRIPTOR_DTYPES)
    seed: int = setting(0, help="seed of the samples and of the clustering", range="[0, inf)")

    def __post_init__(self):
        check_fields(self)

    def type_for(self, num_images: int) -> str:
        """The type of index, `auto` replaced by the type that is meant at this number of images."""
        if self.index_type != AUTO:
            return self.index_type
        starts = {kind.automatic_from: name for name, kind in INDEX_KINDS.items()
                  if kind.automatic_from is not None}
        return starts[max(start for start in starts if start <= num_images)]

    def resolved(self, num_images: int) -> CommonConfig:
        """The same with `auto` and zeros replaced by what they stand for at this number of images."""
        return dataclasses.replace(self, index_type=self.type_for(num_images))


class Index(Protocol):
    """Images that can be searched; what queries are depends on what they are ranked by.

    Attributes:
        ids: N image ids.
        fingerprint: of the model that made the features.
        ranked_by: GLOBAL_DESCRIPTORS or LOCAL_FEATURES of `delg.settings.kinds`.
        kept: int64, [N], increasing; places of the images among those that were ever added. None: all.
        num_places: images that were ever added.
        dimension: of the descriptors.
    """

    ids: list[str]
    fingerprint: str
    ranked_by: str
    kept: Any
    num_places: int
    dimension: int

    def __len__(self) -> int: ...

    def search(self, queries: Any, num_neighbors: int) -> tuple[Any, Any]:
        """Rows int32 [Q, K] and similarities float32 [Q, K], best first; 0 neighbours: all."""


@dataclasses.dataclass(frozen=True)
class IndexKind(abc.ABC):
    """A type of index: how it is built of features, extended, and loaded from its files.

    Attributes:
        ranked_by: what of an image is compared, GLOBAL_DESCRIPTORS or LOCAL_FEATURES.
        stems: first parts of the names of its files, but for ids and kept.
        settings: dataclass of what it is asked for, which becomes settings and flags of every index.
        descriptor_dtypes: what `descriptor_dtype` may be.
        automatic_from: images from which on `auto` means this type, until the next one does; None: never.
    """

    ranked_by: str
    stems: tuple[str, ...]
    settings: type[CommonConfig] = CommonConfig
    descriptor_dtypes: tuple[str, ...] = DESCRIPTOR_DTYPES
    automatic_from: int | None = None

    @abc.abstractmethod
    def build(self, features: str, writer: IndexWriter, config: CommonConfig) -> None:
        """Writes and finishes an index of the images in the feature shards of a folder or glob.

        Raises:
            FileNotFoundError: if there are no shards.
            ValueError: if they do not belong together, or lack what images are ranked by.
        """

    @abc.abstractmethod
    def append(self, features: str, writer: IndexWriter, index: Index, admission: Admission,
               description: dict[str, Any]) -> tuple[list[str], dict[str, str]]:
        """Writes the images of more feature shards as further segments of a loaded index.

        Returns:
            Names of the new segments, and of arrays by stem that replace those of the description.
        """

    def forget(self, index: Index, places: np.ndarray) -> None:  # noqa: B027  most have nothing to do
        """Called when images of a loaded index, at places int64 [n], are no longer part of what is on disk.

        Most types leave in their files what they hold of these.
        """

    def discard(self, index_dir: str, description: dict[str, Any]) -> None:  # noqa: B027
        """Called when an index of this type has been replaced: frees what it has outside of its folder."""

    @abc.abstractmethod
    def load(self, description: dict[str, Any], config: CommonConfig, files: IndexFiles,
             check_descriptors: bool) -> Index:
        """The index that a description names; its large arrays are memory-mapped.

        Args:
            description: of the index.
            config: the settings in it.
            files: reads what it names.
            check_descriptors: whether mapped arrays are compared with their checksums too.

        Raises:
            FileNotFoundError: if a file is gone.
            ValueError: if one is damaged, or they contradict one another.
        """


def kind_of(config: CommonConfig) -> IndexKind:
    """The record of the type that a config asks for; for `auto` that of the fewest images.

    Raises:
        ValueError: if the type cannot have one of the settings.
    """
    name = config.type_for(0)
    kind = INDEX_KINDS[name]
    if config.descriptor_dtype not in kind.descriptor_dtypes:
        raise ValueError(f"`descriptor_dtype` must be {' or '.join(kind.descriptor_dtypes)} where "
                         f"`index_type` is {name}. Received: descriptor_dtype={config.descriptor_dtype!r}.")
    return kind


def stems_of_all() -> Sequence[str]:
    """First parts of the names of the files that indexes of all types have."""
    return sorted({stem for kind in INDEX_KINDS.values() for stem in kind.stems})


def ranked_by(index_type: str) -> str:
    """What an index of this type ranks images by: their global descriptors or their local features."""
    return INDEX_KINDS[index_type].ranked_by
