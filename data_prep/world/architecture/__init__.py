"""What stands in the world: buildings, their parts and what surrounds them."""
