"""What codes are trained for: losses of a batch, which triplets they take, the codes of classes."""
