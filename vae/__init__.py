"""The domain-invariant double VAE for day and night retrieval."""
