"""Rankings against ground truth: the revisited protocols."""
