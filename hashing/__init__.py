"""Deep hashing: binary codes learnt for retrieval by Hamming distance."""
