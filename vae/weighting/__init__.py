"""The supervised stage: weights per channel of the latent, from triplets."""
