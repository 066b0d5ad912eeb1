"""The procedural landmark world: buildings, cameras, light and exact ground truth."""
