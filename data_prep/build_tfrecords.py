"""Writes a collection of images as TFRecord shards with a dataset.json beside them.

    python -m data_prep.build_tfrecords --dataset=gldv2 --images_dir=train --train_csv=train.csv \\
        --train_clean_csv=train_clean.csv --exclude_csv=overlap.csv --output_dir=build/train
    python -m data_prep.build_tfrecords --dataset=gldv2 --part=index --from_tars='index/images_*.tar' \\
        --index_csv=index.csv --output_dir=build/index
    python -m data_prep.build_tfrecords --dataset=gldv2 --part=test --images_dir=test --test_csv=test.csv \\
        --recognition_solution_csv=recognition_solution_v2.1.csv \\
        --retrieval_solution_csv=retrieval_solution_v2.1.csv --index_csv=index.csv --output_dir=build/test
    python -m data_prep.build_tfrecords --dataset=revisited --images_dir=oxford/jpg \\
        --ground_truth=gnd_roxford5k.mat --output_dir=build/eval
    python -m data_prep.build_tfrecords --dataset=distractors --images_dir=revisitop1m --output_dir=build/r1m
    python -m data_prep.build_tfrecords --dataset=cub --images_dir=CUB_200_2011 --output_dir=build/cub
    python -m data_prep.build_tfrecords --dataset=dogs --images_dir=dogs --class_split=unseen \\
        --output_dir=build/dogs
    python -m data_prep.build_tfrecords --dataset=day_night --images_dir=photos --output_dir=build/day_night
    python -m data_prep.build_tfrecords --dataset=folder --images_dir=photos --output_dir=build/train
    python -m data_prep.build_tfrecords --dataset=list --images_dir=/ --image_list=list.txt \\
        --output_dir=build/index

Images are stored as they are, each checked once. Bad ones are left out and listed in dataset.json. Run it
again after an interruption: finished shards stay.
"""

from __future__ import annotations

from data_prep.building.config import BuildConfig
from data_prep.stage import command_line
from data_prep.stage.config_flags import define_flags
from data_prep.stage.jobs import JobConfig

_build_config = define_flags(BuildConfig, images_dir="")
_job_config = define_flags(JobConfig)


def main(_: list[str]) -> None:
    config, job = _build_config(), _job_config()
    from data_prep.building import building  # imports TensorFlow, for which a wrong flag need not wait

    manifest = building.build(config, job)
    for name, split in manifest.splits.items():
        classes = f" of {split.num_classes} classes" if split.label_range else ""
        print(f"{name}: {split.num_examples} images{classes} in {len(split.shards)} shards")
    folder, has_training = config.output_dir, "train" in manifest.splits
    passed_over = f", passed over: {len(manifest.passed_over)} files or folders" * bool(manifest.passed_over)
    command_line.finish(
        f"left out: {len(manifest.left_out)} images{passed_over}; see {manifest.path}",
        f"python -m delg.train --train_pattern='{folder}/train-*' --model_dir=MODEL" if has_training else
        "python -m delg.extract_features --saved_model=SAVED_MODEL "
        f"--pattern='{folder}/{next(iter(manifest.splits), '')}-*' --output_dir=FEATURES")


if __name__ == "__main__":
    command_line.run(main)
