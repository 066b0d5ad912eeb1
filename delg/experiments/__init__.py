"""The whole chain, for `make demo`, `make smoke` and `make real`."""
