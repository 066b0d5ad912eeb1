"""Ways to find the transform between two images."""
