"""DELG: global and local image features, search, geometric verification and evaluation."""
