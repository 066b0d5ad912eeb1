"""Training of the VAE: settings, losses, the loop and its events."""
