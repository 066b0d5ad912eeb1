"""Makes a procedural landmark world: photographs, tables and exact ground truth.

    python -m data_prep.make_world --output_dir=build/world --seed=0

Writes training images in GLDv2's layout (train/, train.csv, train_clean.csv), an evaluation set in the
revisited form (eval/jpg, eval/gnd.json) with distractors and the true homography of each facade, and
landmark_locations.csv. The default world (3,000 + 924 images of 256 px) takes about four minutes on one core;
interrupted, the same command goes on. Its bytes depend on the flags but not on the number of workers.
"""

from __future__ import annotations

from absl import flags

from data_prep.stage import command_line
from data_prep.world.landmark_world import WorldConfig, make_world

_OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Folder of the world.", required=True)
_SEED = flags.DEFINE_integer("seed", WorldConfig.seed, "Another seed is another city.")
_NUM_LANDMARKS = flags.DEFINE_integer("num_landmarks", WorldConfig.num_landmarks, "Landmarks to train on.")
_VIEWS_PER_LANDMARK = flags.DEFINE_integer(
    "views_per_landmark", WorldConfig.views_per_landmark, "Training images of each landmark.")
_IMAGE_SIZE = flags.DEFINE_integer("image_size", WorldConfig.image_size, "Longer side of the images, pixels.")
_SIBLINGS = flags.DEFINE_integer("siblings", WorldConfig.siblings, "Landmarks that share a style.")
_NUM_EVAL_LANDMARKS = flags.DEFINE_integer(
    "num_eval_landmarks", WorldConfig.num_eval_landmarks, "Landmarks of the evaluation set, never trained on."
)
_EVAL_VIEWS_PER_LANDMARK = flags.DEFINE_integer(
    "eval_views_per_landmark",
    WorldConfig.eval_views_per_landmark,
    "Index images of each evaluation landmark.",
)
_QUERIES_PER_LANDMARK = flags.DEFINE_integer(
    "queries_per_landmark", WorldConfig.queries_per_landmark, "Queries of each evaluation landmark.")
_NUM_DISTRACTORS = flags.DEFINE_integer(
    "num_distractors", WorldConfig.num_distractors, "Index images without a landmark.")
_NUM_WORKERS = flags.DEFINE_integer(
    "num_workers", WorldConfig.num_workers, "Processes; 0: one per core. Does not change the images.")


def main(_):
    make_world(WorldConfig(
        output_dir=_OUTPUT_DIR.value, seed=_SEED.value, num_landmarks=_NUM_LANDMARKS.value,
        views_per_landmark=_VIEWS_PER_LANDMARK.value, image_size=_IMAGE_SIZE.value, siblings=_SIBLINGS.value,
        num_eval_landmarks=_NUM_EVAL_LANDMARKS.value, eval_views_per_landmark=_EVAL_VIEWS_PER_LANDMARK.value,
        queries_per_landmark=_QUERIES_PER_LANDMARK.value, num_distractors=_NUM_DISTRACTORS.value,
        num_workers=_NUM_WORKERS.value))


if __name__ == "__main__":
    command_line.run(main)
