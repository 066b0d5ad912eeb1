"""Binary codes of images: packed, taken from models, stored in shards, baselines."""
