"""Damaged files for every reader of a file that users exchange."""
