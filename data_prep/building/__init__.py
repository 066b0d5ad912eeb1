"""From a source to TFRecord shards: the plan, one shard, all of them."""
