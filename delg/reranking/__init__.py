"""A learnt re-ranker: a transformer over the local features of two images, its training and its use."""
