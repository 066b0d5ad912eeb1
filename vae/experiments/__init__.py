"""The whole chain, for `make vae-demo`."""
