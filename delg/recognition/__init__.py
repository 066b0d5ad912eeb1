"""Which landmark an image shows: the nearest training images vote."""
