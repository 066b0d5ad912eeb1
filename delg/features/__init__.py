"""Global and local features of images: taken, stored in shards, whitened, read."""
