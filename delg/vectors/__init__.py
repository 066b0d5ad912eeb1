"""Descriptors as vectors: principal components, sort keys."""
