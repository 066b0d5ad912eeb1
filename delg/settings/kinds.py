"""The kinds of things that settings choose among: one table each, from a name to where its record is written.

Read by settings, flags and help, so nothing here imports a record: a table does, when one is asked for.
"""

from __future__ import annotations

from data_prep.stage.table import Table

VERIFIERS = Table("verifier", {
    "usac": "delg.geometry.verifiers.usac:USAC",
    "scale": "delg.geometry.verifiers.scale:SCALE",
    "paper": "delg.geometry.verifiers.paper:PAPER",
})
RERANKERS = Table("re-ranker", {
    "alpha_qe": "delg.search.rerankers.alpha_qe:ALPHA_QE",
    "dba": "delg.search.rerankers.dba:DBA",
    "diffusion": "delg.search.rerankers.diffusion:DIFFUSION",
    "neighbor_refinement": "delg.search.rerankers.neighbor_refinement:NEIGHBOR_REFINEMENT",
})
