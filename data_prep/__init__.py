"""Jobs that turn raw image collections into TFRecord shards, and the reader of those shards."""

import os

# Before TensorFlow is imported: no start-up chatter. Its errors reach Python as exceptions all the same.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
