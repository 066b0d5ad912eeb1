"""The page of pictures about a ranking."""
