"""Latents of images: taken from models, exported, stored as feature shards."""
