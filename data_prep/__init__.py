"""Jobs that turn raw image collections into TFRecord shards, and the reader of those shards."""
