"""Backbone and code layer, Vision Transformers, a model on disk."""
