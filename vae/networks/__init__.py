"""The double VAE: layers, encoders and decoders, stems, discriminators, a model on disk."""
