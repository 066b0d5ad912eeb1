"""Aggregated selective match kernels: an index of local features."""
