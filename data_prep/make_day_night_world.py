"""Makes a procedural world of places by day and by night.

    python -m data_prep.make_day_night_world --output_dir=build/vae/world --seed=0

Writes day/, night/ and places.csv, the layout of data_prep.build_tfrecords --dataset=day_night: every view of
a place is taken once by day and once by night from nearly the same spot, a known pair; with --moving_cameras
from other spots by night than by day. The default world (160 places, 1,280 images of 96 px) takes about a
minute on two cores; interrupted, the same command goes on.
"""

from __future__ import annotations

from data_prep.stage import command_line
from data_prep.stage.config_flags import define_flags
from data_prep.world.config import DayNightWorldConfig

_config = define_flags(DayNightWorldConfig)


def main(_: list[str]) -> None:
    config = _config()
    from data_prep.world import day_night_world  # after the settings: pandas takes a second to load

    day_night_world.make_day_night_world(config)
    command_line.finish(f"The world is in {config.output_dir}.",
                        "python -m data_prep.build_tfrecords --dataset=day_night "
                        f"--images_dir={config.output_dir} --output_dir=SHARDS")


if __name__ == "__main__":
    command_line.run(main)
