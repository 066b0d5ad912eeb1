"""Engines that hold the descriptors of an index in their own storage, often on other machines."""
