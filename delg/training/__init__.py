"""Training of DELG: losses, what is minimised, where heads start, the loop."""
