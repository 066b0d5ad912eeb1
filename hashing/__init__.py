"""Deep hashing: binary codes learnt for retrieval by Hamming distance."""

from data_prep.stage.public_names import PublicNames

__getattr__ = PublicNames(__name__, {
    "TrainConfig": "hashing.training.config:TrainConfig",
    "preset": "hashing.training.config:preset",
    "train": "hashing.training.loop:train",
    "AdaptConfig": "hashing.training.adapt_config:AdaptConfig",
    "adapt": "hashing.training.adaptation:adapt",
    "Encoder": "hashing.codes.encoding:Encoder",
    "export": "hashing.codes.export:export",
    "encode_images": "hashing.codes.encoding:encode_images",
    "read_codes": "hashing.codes.code_shards:read_codes",
    "CodeIndexConfig": "hashing.index.config:CodeIndexConfig",
    "CodeIndex": "hashing.index.code_index:CodeIndex",
    "evaluate": "hashing.scores.evaluation:evaluate",
})
__dir__ = __getattr__.dir
__all__ = list(__getattr__.places)
