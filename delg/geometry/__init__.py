"""Two images of one thing: matches of local features and the transform between them."""
