"""Procedural worlds with known geometry, for demos and tests."""
