"""What a type of index is: one record of the table `delg.settings.kinds.INDEX_KINDS`.

Most types are no class of their own: `candidates.kind.CandidateKind` needs a way to find candidates among
global descriptors, `asmk.kind.AsmkKind` a kernel that compares aggregated local features.
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Sequence
from typing import Any, Protocol

from delg.index.admission import Admission
from delg.index.files import IndexFiles, IndexWriter
from delg.settings.index import DESCRIPTOR_DTYPES, IndexConfig
from delg.settings.kinds import INDEX_KINDS


class Index(Protocol):
    """Images that can be searched; what queries are depends on what they are ranked by.

    Attributes:
        ids: N image ids.
        fingerprint: of the model that made the features.
        ranked_by: GLOBAL_DESCRIPTORS or LOCAL_FEATURES of `delg.settings.index`.
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
        descriptor_dtypes: what `descriptor_dtype` may be.
        automatic_from: images from which on `auto` means this type, until the next one does; None: never.
    """

    ranked_by: str
    stems: tuple[str, ...]
    descriptor_dtypes: tuple[str, ...] = DESCRIPTOR_DTYPES
    automatic_from: int | None = None

    @abc.abstractmethod
    def build(self, features: str, writer: IndexWriter, config: IndexConfig) -> None:
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

    @abc.abstractmethod
    def load(self, description: dict[str, Any], files: IndexFiles, check_descriptors: bool) -> Index:
        """The index that a description names; its large arrays are memory-mapped.

        Args:
            description: of the index.
            files: reads what it names.
            check_descriptors: whether mapped arrays are compared with their checksums too.

        Raises:
            FileNotFoundError: if a file is gone.
            ValueError: if one is damaged, or they contradict one another.
        """


def kind_of(config: IndexConfig) -> IndexKind:
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
