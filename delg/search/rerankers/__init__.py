"""Re-ranking of the global search."""
