"""The types of index of binary codes: a table from a name to where its class is written."""

from __future__ import annotations

from data_prep.stage.table import Table

CODE_INDEX_KINDS = Table("type of code index", {  # classes: hashing.index.finder.CodeFinder
    "flat": "hashing.index.flat:FlatFinder",
    "ivf": "hashing.index.inverted_lists:ListFinder",
    "hash": "hashing.index.hash_tables:HashTableFinder",
})
