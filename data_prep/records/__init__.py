"""TFRecord shards: keys, framing, dataset.json, the order of training and the reader."""
