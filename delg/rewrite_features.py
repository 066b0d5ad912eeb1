"""Write feature shards anew, with local descriptors in another type or global descriptors whitened.

    python -m delg.rewrite_features --features='features/*.h5' --output_dir=features_int8 --local_dtype=int8
    python -m delg.rewrite_features --features='features/*.h5' --output_dir=whitened --whitening=whitening.npz

Saves extracting again. Whiten the queries' shards and the index's alike, and build the index again. Local
descriptors may differ between the two: float16 queries search binary images. Finished shards are kept.
About as fast as the disk.
"""

from __future__ import annotations

from absl import flags

from data_prep.stage import command_line, config_flags
from delg.settings.extraction import LOCAL_DTYPES

_FEATURES = flags.DEFINE_string("features", None, "Folder or glob of feature shards.", required=True)
_OUTPUT_DIR = config_flags.define_output("output_dir", "Another folder, for the new shards.", folder=True)
_LOCAL_DTYPE = flags.DEFINE_enum(
    "local_dtype", None, LOCAL_DTYPES, "Type local descriptors are stored in. Unset: as they are.")
_WHITENING = flags.DEFINE_string("whitening", "", "File of delg.fit_whitening. Empty: none.")


def main(_: list[str]) -> None:
    from delg.features import rewriting  # after the flags: numpy and HDF5 take their time to load

    paths = rewriting.rewrite_features(_FEATURES.value, _OUTPUT_DIR.value, _LOCAL_DTYPE.value or "",
                                               _WHITENING.value)
    command_line.finish(f"{len(paths)} feature shards in {_OUTPUT_DIR.value}.",
                        f"python -m delg.build_index --features_dir='{_OUTPUT_DIR.value}/index-*' "
                        "--index_dir=INDEX")


if __name__ == "__main__":
    command_line.run(main)
