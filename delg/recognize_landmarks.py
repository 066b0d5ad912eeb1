"""Say which landmark each test image shows: the recognition CSV of Google Landmarks.

    python -m delg.search_images --query_features='features/test-*.h5' \\
        --index_features='features/train-*.h5' --index_dir=index --num_neighbors=100 --output=ranking.h5
    python -m delg.recognize_landmarks --ranking=ranking.h5 --train_clean_csv=train_clean.csv \\
        --output=recognition.csv
    python -m delg.evaluate --predictions=recognition.csv \\
        --solution=recognition_solution_v2.1.csv --output=scores.json

Writes `id,landmarks` with "landmark confidence" for every query. The best neighbours vote for the landmark
they show, each with its similarity and its verified inliers. With `--no_landmark_list` images of the index
that show no landmark vote for none, and test images most like them are left blank. With `--test_shards`,
shards of the test images with landmarks of their own, it prints how many are right. Seconds.
"""

from __future__ import annotations

from absl import flags

from data_prep.stage import command_line, config_flags
from delg.settings.recognition import VoteConfig

_RANKING = flags.DEFINE_string("ranking", None, "File made by delg.search_images, test images against "
                               "training images.", required=True)
_TRAIN_CSV = flags.DEFINE_string("train_csv", "", "Table with columns id and landmark_id.")
_TRAIN_CLEAN_CSV = flags.DEFINE_string(
    "train_clean_csv", "", "Or a table with columns landmark_id and images.")
_TRAIN_SHARDS = flags.DEFINE_string("train_shards", "", "Or a glob of the TFRecord "
                                     "shards, whose classes have numbers or names.")
_NO_LANDMARK_LIST = flags.DEFINE_string(
    "no_landmark_list", "", "Images of the index that show no landmark: a table with a column id, or one id "
    "a line.")
_TEST_CSV = flags.DEFINE_string("test_csv", "", "Table with a column id: all test images, in the order to "
                                "write; those without features are left blank.")
_TEST_SHARDS = flags.DEFINE_string("test_shards", "", "Glob of the TFRecord shards of the test images, where "
                                   "these have landmarks: top-1 and µAP are printed.")
_OUTPUT = config_flags.define_output("output", "The predictions to write, CSV.")
_vote_config = config_flags.define_flags(VoteConfig)


def main(_: list[str]) -> None:
    config = _vote_config()
    from delg.recognition import labels  # after the settings: pandas takes its time to load
    from delg.recognition import predictions as recognition_predictions
    from delg.scores import ranking as scores_ranking
    from delg.scores.gldv2 import metrics, tables

    ranking = scores_ranking.read_ranking(_RANKING.value)
    landmarks = labels.read_landmarks(ranking.index_ids, _TRAIN_CSV.value, _TRAIN_CLEAN_CSV.value,
                                               _TRAIN_SHARDS.value, _NO_LANDMARK_LIST.value)
    predictions = recognition_predictions.recognize(ranking, landmarks, config)
    if _TEST_SHARDS.value:
        truth = labels.read_landmarks(ranking.query_ids, train_shards=_TEST_SHARDS.value).tolist()
        solution = {image_id: {landmark} for image_id, landmark in zip(ranking.query_ids, truth)}
        said = {image_id: answer for image_id, answer in predictions.items() if answer is not None}
        print(f"Of {len(truth)} test images {metrics.top_1_accuracy(said, solution):.1%} have the right "
              f"landmark (top-1); µAP {metrics.micro_average_precision(said, solution):.1%}.")
    if _TEST_CSV.value:
        predictions = recognition_predictions.for_all_test_images(predictions, _TEST_CSV.value, None)
    tables.write_recognition(_OUTPUT.value, predictions)
    num_recognized = sum(answer is not None for answer in predictions.values())
    command_line.finish(
        f"A landmark for {num_recognized} of {len(predictions)} test images in {_OUTPUT.value}.",
        f"python -m delg.evaluate --predictions={_OUTPUT.value} --solution=SOLUTION_CSV "
        "--output=metrics.json")


if __name__ == "__main__":
    command_line.run(main)
