"""Settings of an index whose descriptors lie in Milvus."""

from __future__ import annotations

import dataclasses

from data_prep.stage.settings import setting
from delg.index.candidates.hnsw import HnswConfig
from delg.index.candidates.ivf import IvfConfig
from delg.index.engines.collection import is_server

_SPARE = 16  # candidates beyond the results, for those that rounding puts elsewhere; chosen


@dataclasses.dataclass(frozen=True)
class MilvusConfig(HnswConfig, IvfConfig):
    """Settings of descriptors in Milvus."""

    uri: str = setting(
        "", help="where milvus keeps descriptors: a file whose name ends in .db, or http://HOST:19530 of a "
        "server, its user:password in the environment as MILVUS_TOKEN; empty: milvus.db beside the index")
    collection: str = setting("delg", help="first part of the name of its collection")
    milvus_index: str = setting(
        "auto", help="type of index inside milvus; num_lists and num_probes are those of IVF_FLAT, num_links "
        "and search_breadth those of HNSW, the breadth that of DISKANN too; auto: FLAT in a file, AUTOINDEX "
        "on a server", choices=("auto", "FLAT", "IVF_FLAT", "HNSW", "DISKANN", "AUTOINDEX"))

    def resolved(self, num_images: int) -> MilvusConfig:
        """As that of every type."""
        resolved = super().resolved(num_images)
        if self.milvus_index != "auto":
            return resolved
        return dataclasses.replace(resolved, milvus_index="AUTOINDEX" if is_server(self.uri) else "FLAT")

    @property
    def build_parameters(self) -> dict[str, int]:
        """Of the index inside Milvus, once `auto` is resolved."""
        return {"IVF_FLAT": {"nlist": self.num_lists},
                "HNSW": {"M": self.num_links, "efConstruction": max(200, self.num_links)},
                }.get(self.milvus_index, {})

    def num_candidates_for(self, wanted: int) -> int:
        """Images that are fetched and compared exactly, for so many results.

        What compares descriptors as they are puts them in order itself, but for rounding.
        """
        return max(wanted, self.num_candidates) if self.milvus_index == "AUTOINDEX" else wanted + _SPARE

    def search_parameters(self, num_places: int) -> dict[str, int]:
        """Of a search in it for so many places."""
        breadth = max(self.search_breadth, num_places)
        return {"IVF_FLAT": {"nprobe": min(self.num_probes, self.num_lists)}, "HNSW": {"ef": breadth},
                "DISKANN": {"search_list": breadth}}.get(self.milvus_index, {})
