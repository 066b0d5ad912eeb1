"""Learn a whitening of global descriptors from feature shards, without labels or with them.

    python -m delg.fit_whitening --features='other_city/features/*.h5' --output=whitening.npz
    python -m delg.fit_whitening --features='other_city/features/*.h5' --output=whitening.npz \\
        --train_pattern='other_city/shards/train-*'

The images should be like those to be searched, but not these themselves, described by the same model. Give
the file to `delg.extract_features --whitening` or, for features that are there, to `delg.rewrite_features`:
for queries and index alike. `delg/features/whitening.py` says how it is learnt. Seconds to a minute.
"""

from __future__ import annotations

from absl import flags

from data_prep.stage import command_line, config_flags
from delg.settings.whitening import WhiteningConfig

_FEATURES = flags.DEFINE_string("features", None, "Folder or glob of feature shards.", required=True)
_OUTPUT = config_flags.define_output("output", "File to write, NAME.npz.")
_whitening_config = config_flags.define_flags(WhiteningConfig)


def main(_: list[str]) -> None:
    config = _whitening_config()
    from delg.features.whitening import fit_whitening  # after the settings: numpy and HDF5 take their time

    whitening = fit_whitening(_FEATURES.value, _OUTPUT.value, config)
    before, after = whitening.projection.shape
    command_line.finish(f"{_OUTPUT.value}: from {before} to {after} dimensions, learnt on "
                        f"{whitening.description['num_images']} images of {_FEATURES.value}.",
                        "python -m delg.rewrite_features --features=FEATURES --output_dir=WHITENED "
                        f"--whitening={_OUTPUT.value}")


if __name__ == "__main__":
    command_line.run(main)
