"""The page of pictures about a VAE."""
