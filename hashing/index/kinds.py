"""The types of index of binary codes, and what may put its results in order."""

from __future__ import annotations

from data_prep.stage.table import Table

CODE_INDEX_KINDS = Table("type of code index", {  # classes: hashing.index.finder.CodeFinder
    "flat": "hashing.index.flat:FlatFinder",
    "ivf": "hashing.index.inverted_lists:ListFinder",
    "hash": "hashing.index.hash_tables:HashTableFinder",
})

ASYMMETRIC = "asymmetric"
STORED = ("values", "features")  # arrays of code shards
RESCORINGS = ("none", ASYMMETRIC, *STORED)
