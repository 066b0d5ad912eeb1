"""The DELG model: layers, backbones, a model on disk."""
