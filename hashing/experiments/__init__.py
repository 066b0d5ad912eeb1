"""The whole table, for `make hashing-demo`."""
