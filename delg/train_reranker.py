"""Trains a re-ranker: a small transformer that says of two images, by local features, if they show one thing.

    python -m delg.train_reranker --features=features --train_pattern='shards/train-*' --index_dir=index \\
        --model_dir=reranker

Learns from pairs of one landmark and from those of other landmarks that the index finds nearest. Writes
config.json, best.weights.h5, last.weights.h5, history.csv, events/ for TensorBoard and saved_model/, which
delg.search_images takes as `--reranker_model`. The same command goes on after an interruption. With the
defaults some five steps a second on two processor cores. docs/measurements/reranking.md says what it gains.
"""

from data_prep.stage import command_line
from data_prep.stage.config_flags import define_flags
from delg.settings.reranking import TrainRerankerConfig

_config = define_flags(TrainRerankerConfig)


def main(_):
    from delg.reranking import loop  # TensorFlow takes seconds to import; a wrong flag should not

    config = _config()
    loop.train(config)
    command_line.finish(f"The re-ranker is in {config.model_dir}.", "python -m delg.search_images "
                        f"--reranker_model={config.model_dir}/{loop.EXPORT_DIR} ...")


if __name__ == "__main__":
    command_line.run(main)
