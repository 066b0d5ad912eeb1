"""Indexes of images: built, changed, stored and searched."""
