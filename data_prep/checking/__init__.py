"""What is in shards, whether it is whole, and building again what is not."""
