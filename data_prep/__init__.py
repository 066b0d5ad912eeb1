"""Jobs that turn raw image collections into TFRecord shards, and the reader of those shards."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # before TensorFlow is imported: no start-up chatter
