"""Batches of labelled images, folders of the world and of published sets."""
