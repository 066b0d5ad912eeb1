"""Make a searchable index of binary codes, or add images to one.

    python -m hashing.build_index --codes='CODES/train-*' --index_dir=INDEX
    python -m hashing.build_index --codes='NEW_CODES/*' --index_dir=INDEX --add

`--index_type` says whether a query is compared with every code or, for millions of images, with a small part
of them. Adding takes time by the images that are added and one writing of the index.
"""

from __future__ import annotations

from absl import flags

from data_prep.stage import command_line
from data_prep.stage.config_flags import define_flags, define_output
from hashing.index.config import CodeIndexConfig

_CODES = flags.DEFINE_string("codes", None, "Folder or glob of code shards.", required=True)
_INDEX_DIR = define_output("index_dir", "Folder of the index.", folder=True)
_NUM_BITS = flags.DEFINE_integer(
    "num_bits", 0, "First bits of the codes, of a length that their model was trained at; 0: all. With `add` "
    "those of the index.", lower_bound=0)
_ADD = flags.DEFINE_bool("add", False, "Add to the index that is there; its own settings hold.")
_config = define_flags(CodeIndexConfig)


def main(_: list[str]) -> None:
    config = _config()
    from hashing.index import retrieval  # after the settings: TensorFlow takes seconds to load

    index = (retrieval.add_to_index(_CODES.value, _INDEX_DIR.value) if _ADD.value
             else retrieval.build_index(_CODES.value, _INDEX_DIR.value, config, _NUM_BITS.value))
    command_line.finish(f"{len(index)} images of {index.code_size} bits in {_INDEX_DIR.value}.",
                        f"python -m hashing.search_images --index_dir={_INDEX_DIR.value} "
                        "--query_codes='CODES/test-*' --output=ranking.csv")


if __name__ == "__main__":
    command_line.run(main)
