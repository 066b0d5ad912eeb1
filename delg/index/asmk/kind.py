"""Types of index of local features: by the kernel that compares what was aggregated at a codeword.

Of n images that were added together, and of the whole index:

    residuals-<g>-<i>.npy          [E, width], as the kernel stores them, sorted by codeword
    rows-<g>-<i>.npy               int32 [E], image of each, 0 to n - 1
    offsets-<g>-<i>.npy            int64 [K + 1], entries offsets[c]:offsets[c + 1] are of codeword c
    norms-<g>-<i>.npy              float32 [n], self-similarity of each image before it is scaled to 1
    codebook-<g>.npy, weights-<g>.npy     float32 [K, d] and [K]
    cells-<g>.npy                         float32 [C, d], centres of cells of codewords, where these are many
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from absl import logging

from delg.index.admission import Admission
from delg.index.asmk import quantizer, segments
from delg.index.asmk.config import AsmkConfig
from delg.index.asmk.index import AsmkIndex
from delg.index.asmk.inverted_file import InvertedFile
from delg.index.asmk.kernel import MatchKernel
from delg.index.asmk.quantizer import Quantizer
from delg.index.files import IndexFiles, IndexWriter
from delg.index.kind import IndexKind
from delg.settings.kinds import LOCAL_FEATURES


@dataclasses.dataclass(frozen=True)
class AsmkKind(IndexKind):
    """A type of index by how aggregated residuals are stored and compared.

    Attributes:
        kernel: class that does both.
    """

    ranked_by: str = LOCAL_FEATURES
    stems: tuple[str, ...] = ("residuals", "rows", "offsets", "norms", "codebook", "cells", "weights")
    settings: type[AsmkConfig] = AsmkConfig
    kernel: type[MatchKernel] = MatchKernel

    def build(self, features: str, writer: IndexWriter, config: AsmkConfig) -> None:
        sample, fingerprint = segments.training_descriptors(
            config.codebook_features or features, config.num_training_descriptors, config.seed)
        config = config.with_codewords(len(sample))
        codebook, cells = quantizer.train_codebook(sample, config.num_codewords, config.seed)
        logging.info("%d codewords learnt from %d descriptors.", len(codebook), len(sample))
        del sample
        admission = Admission(facts={"dimension": codebook.shape[1], "fingerprint": fingerprint})
        written = segments.SegmentWriter(writer, self._quantizer(codebook, cells, config))
        written.add_images(features, admission)
        weights = np.ones(len(codebook), np.float32)
        if config.asmk_idf:
            num_images = sum(np.diff(segment.offsets) for segment in written.files)
            weights = np.log(len(admission.ids) / np.maximum(1, num_images)).astype(np.float32) ** 2
        written.write_norms(weights)
        arrays = {**written.arrays, "codebook": writer.write_array("codebook", codebook),
                  "weights": writer.write_array("weights", weights), "ids": writer.write_ids(admission.ids)}
        if len(cells):
            arrays["cells"] = writer.write_array("cells", cells)
        writer.finish({"type": config.index_type, "num_images": len(admission.ids), **admission.facts,
                       "config": dataclasses.asdict(config), "segments": written.names, "arrays": arrays})

    def append(self, features: str, writer: IndexWriter, index: AsmkIndex, admission: Admission,
               description: dict[str, Any]) -> tuple[list[str], dict[str, str]]:
        written = segments.SegmentWriter(writer, index.quantizer, len(description["segments"]))
        written.add_images(features, admission)
        written.write_norms(index.weights)
        return written.names, written.arrays

    def load(self, description: dict[str, Any], config: AsmkConfig, files: IndexFiles,
             check_descriptors: bool) -> AsmkIndex:
        codebook, weights = files.read_array("codebook"), files.read_array("weights")
        cells = files.read_array("cells") if "cells" in description["arrays"] else codebook[:0]
        for centres in (codebook, cells):
            if centres.dtype != np.float32 or centres.ndim != 2 or not np.isfinite(centres).all():
                raise ValueError("Codewords and their cells must be float32 [K, d] and finite. "
                                 f"Received: {centres.dtype} {centres.shape}.")
        quantized = self._quantizer(codebook, cells, config)
        inverted_files, norms = [], []
        for place, name in enumerate(description["segments"]):
            offsets, of_images = (files.read_array(f"{stem}-{place}") for stem in ("offsets", "norms"))
            rows = files.map_array(description["arrays"][f"rows-{place}"], ("int32",),
                                   check=check_descriptors)
            residuals = files.map_array(name, (quantized.kernel.dtype,), quantized.kernel.width,
                                        check_descriptors)
            if len(offsets) != len(codebook) + 1 or not offsets[-1] == len(rows) == len(residuals):
                raise ValueError("Files of a segment must agree: build the index again. "
                                 f"Received: {name} with {len(residuals)} entries, {len(rows)} rows, offsets "
                                 f"up to {offsets[-1]} of {len(offsets) - 1} codewords.")
            if check_descriptors and len(rows) and not 0 <= rows.min() <= rows.max() < len(of_images):
                raise ValueError(f"Rows of a segment must be in [0, {len(of_images)}). "
                                 f"Received: {rows.min()} to {rows.max()}.")
            inverted_files.append(InvertedFile(offsets, rows, residuals, len(of_images)))
            norms.append(of_images)
        norms = np.concatenate(norms)
        ids, kept = files.read_images(len(norms))
        return AsmkIndex(ids, description["fingerprint"], quantized, weights, inverted_files, norms, kept)

    def _quantizer(self, codebook: np.ndarray, cells: np.ndarray, config: AsmkConfig) -> Quantizer:
        kernel = self.kernel.of(config, codebook.shape[1])
        return Quantizer(codebook, kernel, config.num_assignments, cells)
