"""Makes a procedural landmark world: photographs, tables and exact ground truth.

    python -m data_prep.make_world --output_dir=build/world --seed=0

Writes training images in GLDv2's layout (train/, train.csv, train_clean.csv), an evaluation set in the
revisited form (eval/jpg, eval/gnd.json) with distractors and the true homography of each facade, and
landmark_locations.csv. The default world (3,000 + 924 images of 256 px) takes about four minutes on one core;
interrupted, the same command goes on. Its bytes depend on the flags but not on the number of workers.
"""

from __future__ import annotations

from data_prep.stage import command_line
from data_prep.stage.config_flags import define_flags
from data_prep.world.config import WorldConfig

_config = define_flags(WorldConfig)


def main(_: list[str]) -> None:
    config = _config()
    from data_prep.world import landmark_world  # after the settings: pandas takes a second to load

    landmark_world.make_world(config)
    world = config.output_dir
    command_line.finish(f"The world is in {world}.",
                        f"python -m data_prep.build_tfrecords --dataset=gldv2 --images_dir={world}/train "
                        f"--train_csv={world}/train.csv --train_clean_csv={world}/train_clean.csv "
                        "--output_dir=SHARDS")


if __name__ == "__main__":
    command_line.run(main)
