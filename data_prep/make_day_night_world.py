"""Makes a procedural world of places by day and by night.

    python -m data_prep.make_day_night_world --output_dir=build/vae/world --seed=0

Writes day/, night/ and places.csv, the layout of data_prep.build_tfrecords --dataset=day_night: every view of
a place is taken once by day and once by night from nearly the same spot, a known pair. The default world (160
places, 1,280 images of 96 px) takes about a minute on two cores; interrupted, the same command goes on.
"""

from __future__ import annotations

from absl import flags

from data_prep.stage import command_line
from data_prep.world.day_night_world import DayNightWorldConfig, make_day_night_world

_OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Folder of the world.", required=True)
_SEED = flags.DEFINE_integer("seed", DayNightWorldConfig.seed, "Another seed is another city.")
_NUM_PLACES = flags.DEFINE_integer("num_places", DayNightWorldConfig.num_places, "Places to find again.")
_VIEWS_PER_PLACE = flags.DEFINE_integer(
    "views_per_place", DayNightWorldConfig.views_per_place, "Views, each by day and by night.")
_IMAGE_SIZE = flags.DEFINE_integer(
    "image_size", DayNightWorldConfig.image_size, "Longer side of the images, pixels.")
_SIBLINGS = flags.DEFINE_integer("siblings", DayNightWorldConfig.siblings, "Places that share a style.")
_NUM_WORKERS = flags.DEFINE_integer(
    "num_workers", DayNightWorldConfig.num_workers, "Processes; 0: one per core. Does not change the images.")


def main(_):
    make_day_night_world(DayNightWorldConfig(
        output_dir=_OUTPUT_DIR.value, seed=_SEED.value, num_places=_NUM_PLACES.value,
        views_per_place=_VIEWS_PER_PLACE.value, image_size=_IMAGE_SIZE.value, siblings=_SIBLINGS.value,
        num_workers=_NUM_WORKERS.value))


if __name__ == "__main__":
    command_line.run(main)
